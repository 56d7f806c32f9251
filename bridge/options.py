"""How a program comes to the bus: address, identity, proof. Cheap to import.

Called by the programs, which fill it from flags, environment and files.
"""

from dataclasses import dataclass, field
from pathlib import Path

from wig import access

SERVER_DEFAULT = "nats://127.0.0.1:4222"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Where the bus is, and who one is on it."""

    identity: str
    """The `<id>` of subjects and inboxes."""
    server: str = SERVER_DEFAULT
    """`nats://host:port` or `tls://host:port`."""
    user: str | None = None
    """The user name for the server; None: the identity."""
    password: str = field(default="", repr=False)
    """The secret; empty: come without credentials."""
    ca: Path | None = None
    """Certificates to trust, PEM; None: the system's."""
    certificate: Path | None = None
    """One's own certificate, PEM; None: none."""
    key: Path | None = None
    """Its private key; None: it is in the same file."""
    name: str = "wig"
    """What the server's monitoring shows."""

    def __post_init__(self) -> None:
        """Raise `Invalid` for an identity that no subject can have."""
        access.parse_identity(self.identity, "identity")
