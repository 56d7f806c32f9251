"""Files and folders that this user may not read or write."""

import os
import re
import tempfile
from pathlib import Path

import pytest

from tests import datastores
from tests.builders import create_interface
from wig import errors, sqlite


def as_nobody(call):
    """Return the message of the error that `call` raises for a user without privileges."""
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.seteuid(65534)
            call()
            os.write(sending, b"no error")
        except errors.WigError as error:
            os.write(sending, f"{type(error).__name__}: {error.message}".encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(sending)
    found = os.read(receiving, 10_000).decode()
    os.close(receiving)
    return found


@pytest.fixture
def public():
    """A directory that every user can enter, with a closed database."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        datastores.make(folder / "wig.db", create_interface()).close()
        (folder / "wig.db.lock").unlink()
        (folder / "wig.db").chmod(0o666)
        yield folder
        folder.chmod(0o700)


@pytest.mark.parametrize(
    ("folder_mode", "file_mode", "message"),
    [
        pytest.param(0o777, 0o666, "no error", id="all-is-well"),
        pytest.param(0o777, 0o444, "Unusable: db: .* cannot be written: ", id="read-only-file"),
        pytest.param(0o555, 0o666, "Unusable: db: .* cannot be written: ", id="read-only-folder"),
        pytest.param(0o777, 0o000, "Unusable: db: .* cannot be read: ", id="unreadable-file"),
        pytest.param(0o000, 0o666, "Unusable: db: .* cannot be read: ", id="no-way-in"),
    ],
)
def test_a_file_that_may_not_be_written_is_not_opened(public, folder_mode, file_mode, message):
    """Files of another user, or on a file system that is read-only."""
    (public / "wig.db").chmod(file_mode)
    public.chmod(folder_mode)

    found = as_nobody(lambda: sqlite.Datastore.open(public / "wig.db").close())

    assert re.match(message, found), found


def test_a_backup_into_a_folder_that_may_not_be_written_says_so(public):
    """The source stays as it is."""
    public.chmod(0o555)

    found = as_nobody(lambda: sqlite.backup(public / "wig.db", public / "copy.db"))

    assert re.match("Unusable: db: .*copy.db' cannot be made: Permission denied", found), found
