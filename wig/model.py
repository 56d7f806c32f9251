"""The three kinds of object: Interface, Peer, Token.

Called everywhere. Objects hold what an operator decided, never what the deployment looks like.
Their fields have been checked by `decide` before they enter the log, and are trusted after.

`revision` is `epoch:seq` of the op that last changed the object; it is empty inside an op, and
set when the op is applied (`ops.stamped`).
"""

from wig import keys
from wig.codec import Time, Value

PORT_DEFAULT = 51820  # what wg(8) and every client show as the usual port
MTU_DEFAULT = 1420  # wg-quick(8): 1500 less the overhead over IPv6 and an outer 20 bytes
NAME_BYTES_MAX = 15  # IFNAMSIZ - 1, Linux, include/uapi/linux/if.h


class Interface(Value, frozen=True, kw_only=True, tag="interface", tag_field="kind"):
    """One separate VPN network. Every gateway that serves it has the same key."""

    name: str
    """At most 15 bytes, letters, digits, `_`, `-`; starts with a letter."""
    port: int
    """UDP port, 1–65535; unique over all interfaces, since they share the gateway's host."""
    private_key: keys.PrivateKey
    public_key: str
    addresses: tuple[str, ...] = ()
    """At most one IPv4 and one IPv6, IPv4 first, as address/prefix length: the gateway's own
    address inside the tunnel, and with its prefix the pool of the peers' addresses."""
    mtu: int = MTU_DEFAULT
    """Bytes, 1280–65535 when there is an IPv6 address, else 576–65535."""
    dns: tuple[str, ...] = ()
    """Resolvers for the peers' configuration files."""
    description: str = ""
    revision: str = ""


class Peer(Value, frozen=True, kw_only=True, tag="peer", tag_field="kind"):
    """One client of one interface; its public key is its identity, over all interfaces."""

    public_key: str
    interface: str
    created: Time
    ip: str | None = None
    """IPv4 address, or a range as address/prefix length; None: no IPv4."""
    ip6: str | None = None
    """The same for IPv6."""
    preshared_key: keys.PresharedKey | None = None
    name: str = ""
    description: str = ""
    expire: Time | None = None
    """When the peer is deleted; None: never."""
    enabled: bool = True
    """False: known, keeps its addresses, but absent from the gateways' devices."""
    rate_limit: int | None = None
    """What a gateway lets through, in bit/s, to the peer and from it each; None: no limit."""
    revision: str = ""


class Token(Value, frozen=True, kw_only=True, tag="token", tag_field="kind"):
    """What one identity proves itself with."""

    id: str
    """The identity: 1–32 characters of `A–Z a–z 0–9 _ -`."""
    secret_digest: str
    """SHA-256 of the secret, hexadecimal; the secret itself is never stored."""
    role: str
    created: Time
    description: str = ""
    revision: str = ""


Object = Interface | Peer | Token
