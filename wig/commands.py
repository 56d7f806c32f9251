"""Commands: what an admin may ask of the primary. Values only; `decide` holds their rules.

Called by the program (which builds them), the command service (which decodes them) and `decide`.
On the wire a command is the JSON object of its fields, sent to `wig.api.<identity>.<noun>.<verb>`.

`UNSET` in an update means: leave it as it is. `None` means: none.
"""

from collections.abc import Callable
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from wig import codec, keys
from wig.codec import Time, Value
from wig.model import MTU_DEFAULT

AUTO = "auto"
"""As an address of a new peer: the first free one, if the interface has that family."""

OBJECTS_MAX = 10_000  # objects in one command; bounds how long it can hold the writer


class Command(Value, frozen=True, kw_only=True):
    """What all commands share."""

    request: str = ""
    """Chosen by the client, at most 64 characters: a repeat with the same id returns the recorded
    outcome instead of doing it again. Empty: no such promise."""


class CreateInterface(Command, frozen=True, kw_only=True):
    """Create an interface; `unchanged` if it exists with exactly these values."""

    name: str
    port: int
    private_key: keys.PrivateKey
    addresses: tuple[str, ...] = ()
    mtu: int = MTU_DEFAULT
    dns: tuple[str, ...] = ()
    description: str = ""


class UpdateInterface(Command, frozen=True, kw_only=True):
    """Change fields of an interface. Its pools may change only if every peer still fits."""

    name: str
    port: int | UnsetType = UNSET
    private_key: keys.PrivateKey | UnsetType = UNSET
    addresses: tuple[str, ...] | UnsetType = UNSET
    mtu: int | UnsetType = UNSET
    dns: tuple[str, ...] | UnsetType = UNSET
    description: str | UnsetType = UNSET
    revision: str | None = None
    """Expected revision; None: whatever it is."""


class DeleteInterface(Command, frozen=True, kw_only=True):
    """Delete an interface that has no peers, or, `with_peers`, them first, one op each.

    At most `OBJECTS_MAX` peers; of larger ones, delete peers first (`DeletePeers`).
    """

    name: str
    with_peers: bool = False
    revision: str | None = None


class PeerSpec(Value, frozen=True, kw_only=True):
    """A peer as a client asks for it."""

    interface: str
    public_key: str
    ip: str | None = AUTO
    ip6: str | None = AUTO
    preshared_key: keys.PresharedKey | None = None
    name: str = ""
    description: str = ""
    expire: Time | None = None
    enabled: bool = True
    rate_limit: int | None = None
    """bit/s, each direction; None: no limit."""
    outside_pool: bool = False
    """Allow addresses outside the interface's pool."""


class CreatePeer(PeerSpec, frozen=True, kw_only=True):
    """Create one peer; `unchanged` if it exists with exactly these values."""

    request: str = ""


class ImportPeers(Command, frozen=True, kw_only=True):
    """Create many peers, all or none; those that exist with exactly these values stay."""

    peers: Annotated[tuple[PeerSpec, ...], msgspec.Meta(max_length=OBJECTS_MAX)]


class UpdatePeer(Command, frozen=True, kw_only=True):
    """Change fields of a peer."""

    public_key: str
    ip: str | None | UnsetType = UNSET
    ip6: str | None | UnsetType = UNSET
    preshared_key: keys.PresharedKey | None | UnsetType = UNSET
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    expire: Time | None | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    rate_limit: int | None | UnsetType = UNSET
    outside_pool: bool = False
    revision: str | None = None


class DeletePeer(Command, frozen=True, kw_only=True):
    """Delete one peer."""

    public_key: str
    revision: str | None = None


class DeletePeers(Command, frozen=True, kw_only=True):
    """Delete many peers, all or none; those that are not there are passed over."""

    public_keys: Annotated[tuple[str, ...], msgspec.Meta(max_length=OBJECTS_MAX)]


class CreateToken(Command, frozen=True, kw_only=True):
    """Create a token; the client made its secret and sends the digest only."""

    id: str
    secret_digest: str
    role: str
    description: str = ""


class DeleteToken(Command, frozen=True, kw_only=True):
    """Delete a token; its holders are disconnected."""

    id: str
    revision: str | None = None


AnyCommand = (
    CreateInterface | UpdateInterface | DeleteInterface
    | CreatePeer | ImportPeers | UpdatePeer | DeletePeer | DeletePeers
    | CreateToken | DeleteToken
)  # fmt: skip

DECODE: dict[str, Callable[[bytes], AnyCommand]] = {
    "interface.create": codec.decoder(CreateInterface),
    "interface.update": codec.decoder(UpdateInterface),
    "interface.delete": codec.decoder(DeleteInterface),
    "peer.create": codec.decoder(CreatePeer),
    "peer.import": codec.decoder(ImportPeers),
    "peer.update": codec.decoder(UpdatePeer),
    "peer.delete": codec.decoder(DeletePeer),
    "peer.purge": codec.decoder(DeletePeers),
    "token.create": codec.decoder(CreateToken),
    "token.delete": codec.decoder(DeleteToken),
}
"""The decoder of each noun and verb."""


def objects(command: AnyCommand) -> int:
    """Return how many objects a command changes at most: how long it may hold the writer."""
    match command:
        case DeleteInterface(with_peers=True):
            return OBJECTS_MAX
        case ImportPeers():
            return len(command.peers)
        case DeletePeers():
            return len(command.public_keys)
        case _:
            return 1
