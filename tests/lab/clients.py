"""Clients with numbers: peer, private key and configuration of each belong together."""

from typing import Any

from tests import builders
from tests.lab.gateway import DrivenGateway
from wig import x25519
from wig.model import Interface, Peer

_CONFIG = """\
[Interface]
PrivateKey = {private}
Address = 10.0.0.{number}/32, fd00::{number}/128
{dns}
[Peer]
PublicKey = {public}
Endpoint = {endpoint}:{port}
AllowedIPs = 0.0.0.0/0, ::/0
"""


def peer(number: int, **fields: Any) -> Peer:
    """Return the peer of a client, 2–254."""
    public = x25519.public_key(builders.private_key(number))
    own = {"public_key": public, "ip": f"10.0.0.{number}", "ip6": f"fd00::{number}"}
    return builders.peer(**own | fields)


def config(
    number: int,
    gateway: DrivenGateway,
    interface: Interface | None = None,
    dns: str | None = "10.0.0.1",
) -> str:
    """Return the text for wg-quick; without `dns` the client keeps its own resolver."""
    interface = interface or builders.interface()
    return _CONFIG.format(
        private=builders.private_key(number).reveal(),
        number=number,
        public=interface.public_key,
        endpoint=gateway.host.ip,
        port=interface.port,
        dns=f"DNS = {dns}\n" if dns else "",
    )


def strangers(count: int, **fields: Any) -> list[Peer]:
    """Return peers that never connect, outside the clients' numbers."""
    return [
        builders.peer(
            ("stranger", number),
            **{
                "ip": f"10.0.{1 + number // 250}.{1 + number % 250}",
                "ip6": f"fd00::{1 + number // 65000}:{number % 65000:x}",
            }
            | fields,
        )
        for number in range(count)
    ]
