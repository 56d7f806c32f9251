"""The text of wg-quick(8): what a client needs to connect.

Called by `wig peer create` and `wig peer config`. Pure: values in, text out.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from wig.model import MTU_DEFAULT

FULL_TUNNEL = ("0.0.0.0/0", "::/0")
KEEPALIVE_S = 25  # wg(8): keeps most NAT mappings alive


class Connection(NamedTuple):
    """How a client reaches the VPN, and what it sends there."""

    endpoint: str
    """Host name or address; without a port, the interface's."""
    allowed: Sequence[str] = FULL_TUNNEL
    keepalive_s: int = KEEPALIVE_S


def configuration(
    peer: dict[str, Any],
    interface: dict[str, Any],
    connection: Connection,
    *,
    private_key: str | None = None,
    preshared_key: str | None = None,
) -> str:
    """Return the configuration file of a peer.

    Without its private key, which wig never sees, the file has a comment in its place.
    """
    lines = [f"# {_label(peer)}, interface {interface['name']}", "[Interface]"]
    lines.append(f"PrivateKey = {private_key}" if private_key else _NO_KEY)
    addresses = [one for one in (_own(peer["ip"], 32), _own(peer["ip6"], 128)) if one]
    if addresses:  # wg-quick refuses an empty list
        lines.append("Address = " + ", ".join(addresses))
    if interface["dns"]:
        lines.append("DNS = " + ", ".join(interface["dns"]))
    if interface["mtu"] != MTU_DEFAULT:
        lines.append(f"MTU = {interface['mtu']}")
    lines += ["", "[Peer]", f"PublicKey = {interface['public_key']}"]
    if preshared_key:
        lines.append(f"PresharedKey = {preshared_key}")
    lines.append("AllowedIPs = " + ", ".join(connection.allowed))
    lines.append(f"Endpoint = {_with_port(connection.endpoint, interface['port'])}")
    if connection.keepalive_s:
        lines.append(f"PersistentKeepalive = {connection.keepalive_s}")
    return "\n".join(lines) + "\n"


_NO_KEY = "# PrivateKey = the client's own; give its file with --private-key-file"


def _label(peer: dict[str, Any]) -> str:
    """Return the peer's name for a comment, on one line whatever it contains."""
    name = "".join(c for c in peer["name"] if c.isprintable())
    return f"{name} ({peer['public_key']})" if name else f"{peer['public_key']}"


def _own(text: str | None, length: int) -> str | None:
    """Return a host's own address; of a range, which is routed to it, the first one."""
    return None if text is None else f"{text.partition('/')[0]}/{length}"


def _with_port(endpoint: str, port: int) -> str:
    """Return `host:port`; a port of its own wins, for hosts behind a forwarded one.

    An IPv6 address goes into brackets, so that its end can be seen.
    """
    if endpoint.startswith("["):
        return endpoint if "]:" in endpoint else f"{endpoint}:{port}"
    if endpoint.count(":") > 1:
        return f"[{endpoint}]:{port}"
    return endpoint if ":" in endpoint else f"{endpoint}:{port}"
