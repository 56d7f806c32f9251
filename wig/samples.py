"""What a gateway's devices say of their peers, in bulk: values only.

Made by `linux.samples`; read by the statistics that a gateway reports and by its metrics. Much
less than a `device.Device`, so that 100,000 peers can be looked at while packets, entries and
scrapes go on.

**Invariant:** a client's address is in memory only, and shows in no `repr`.
"""

from collections.abc import Sequence
from typing import NamedTuple

from wig.device import Endpoint


class Sample(NamedTuple):
    """One peer at one moment. Counters are the device's own: they restart when it does."""

    public_key: str
    handshake_s: int
    """Unix time of the last handshake, by the gateway's clock; 0: none yet."""
    received_bytes: int
    """From the client."""
    sent_bytes: int
    """To the client."""
    endpoint: Endpoint | None
    """None: never heard of."""


class Batch(NamedTuple):
    """Some of the peers of one interface; all batches of a reading together are all peers.

    It may have none: a device without peers has one batch, too.
    """

    interface: str
    peers: Sequence[Sample]
    answered: bool = True
    """False, in a last batch without peers: the device did not say all of them."""
