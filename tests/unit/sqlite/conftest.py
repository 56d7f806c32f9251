"""A datastore to work on, with one interface."""

from collections.abc import Iterator

import pytest

from tests import datastores
from tests.builders import create_interface
from wig import sqlite


@pytest.fixture
def datastore(tmp_path) -> Iterator[sqlite.Datastore]:
    """A primary's datastore with an admin token (entry 1) and interface wg0 (entry 2)."""
    with datastores.make(tmp_path / "wig.db", create_interface()) as datastore:
        yield datastore
