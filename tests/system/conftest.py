"""The lab's usual three: a client, a gateway between two networks, and a server behind it."""

from collections.abc import Iterator

import pytest

from tests import builders
from tests.lab import Internet, WebServer, WgQuick, clients, need
from tests.lab.gateway import DrivenGateway


@pytest.fixture
def net() -> Iterator[Internet]:
    need()
    with Internet() as internet:
        yield internet


@pytest.fixture
def gateway(net: Internet) -> Iterator[DrivenGateway]:
    """A gateway that holds nothing yet."""
    with DrivenGateway(net.host("gateway", "access", "world")) as driven:
        yield driven


@pytest.fixture
def server(net: Internet) -> Iterator[WebServer]:
    with WebServer(net.host("server", "world")) as web:
        yield web


@pytest.fixture
def tunnel(net: Internet, gateway: DrivenGateway) -> Iterator[WgQuick]:
    """Client 2, connected."""
    wide = builders.interface(addresses=("10.0.0.1/16", "fd00::1/64"))
    gateway.load([wide, clients.peer(2)])
    with WgQuick(net.host("client", "access"), clients.config(2, gateway)) as quick:
        yield quick
