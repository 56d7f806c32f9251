"""Reports: what a gateway tells about its peers, as values and as bytes.

Called by the gateway that makes reports (`split`, `encode`) and by the process that finds
sessions in them (`decode`, then `wig.sessions`).

A report is one JSON document with a column per field, at most `REPORT_BYTES_MAX` long:

    {"format": 1, "gateway": "gw1", "boot": "0123456789abcdef", "n": 7, "time": 1767268800,
     "interval_s": 30, "places": [{"country": "SE", "asn": 64500, "organisation": "Example AB"}],
     "interfaces": [{"interface": "wg0", "peers": ["<public key>", …], "places": [1, …],
                     "handshakes": [1767268790, …], "received": [1000, …], "sent": [2000, …]}]}

Why columns: reading and checking a sample costs 0.3 µs (measured), less than making one object.

What a gateway promises:

- One report at least every interval, also when nothing changed: it says until when nothing did.
- A report holds the peers whose handshake or counters differ from those in the report before it.
  The first of a boot holds every peer with a handshake, and so does the next one after a report
  was given up (a buffer that was full), or after the interface was made anew.
- Counters are the device's own, absolute: whoever misses a report loses no bytes.
- `n` counts the reports of a boot without a gap, and they are published in that order.

**Invariant:** no field can hold an address. Keys are 44 characters of base64, names have neither
dots nor colons, and an organisation that looks like an address is refused.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Annotated

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from wig import codec, errors
from wig.codec import Value

FORMAT = 1
REPORT_BYTES_MAX = 512 * 1024
"""Half of nats-server's default max_payload. A report of 1,000 samples has about 90 KB."""
SAMPLES_MAX = 1000
"""In one report. So many, each of another place with the longest name, are 350 KB."""
ORGANISATION_CHARACTERS_MAX = 64
BOOT_BYTES = 8
AGE_HEADER = "Wig-Age-S"
"""Of the message: the s between reading the devices and this attempt to publish, as decimal text.

By a clock that nobody sets. With the time at which the stream took the message, it tells how wrong
the gateway's clock is, also of a report that waited for an hour.
"""

DRAINING_HEADER = "Wig-Draining"
"""Of the message, with any value: nobody new is to be sent to the gateway."""

_INT_MAX = 2**60  # an exbibyte; sums of a few fit into SQLite's 64 bits

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,32}\Z")]
Boot = Annotated[str, Meta(pattern=r"^[0-9a-f]{16}\Z")]
Key = Annotated[str, Meta(min_length=44, max_length=44)]
Time = Annotated[int, Meta(ge=0, le=2**40)]
Counter = Annotated[int, Meta(ge=0, le=_INT_MAX)]
Index = Annotated[int, Meta(ge=0)]


class Place(Value, frozen=True, kw_only=True):
    """Where a client seems to be; looked up on the gateway, from an address that stays there."""

    country: Annotated[str, Meta(pattern=r"^([A-Z]{2})?\Z")] = ""
    """ISO 3166-1 alpha-2; empty: not known."""
    asn: Annotated[int, Meta(ge=0, lt=2**32)] = 0
    """Number of the autonomous system; 0: not known."""
    organisation: Annotated[str, Meta(max_length=ORGANISATION_CHARACTERS_MAX)] = ""
    """Who runs the autonomous system; empty: not known."""


class Samples(Value, frozen=True, kw_only=True):
    """Peers of one interface, a column per field, all of the same length."""

    interface: Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,14}\Z")]
    peers: tuple[Key, ...]
    """Public keys, each at most once in a report."""
    handshakes: tuple[Time, ...]
    """Time of the last handshake, Unix s by the gateway's clock; 0: none yet."""
    received: tuple[Counter, ...]
    """Bytes received from the peer since the device knows it."""
    sent: tuple[Counter, ...]
    """Bytes sent to it."""
    places: tuple[Index, ...] = ()
    """1 for the first of the report's places, and so on; 0: not known. Empty: none is known."""


class Report(Value, frozen=True, kw_only=True):
    """What one gateway read from its devices at one moment."""

    format: int
    """`FORMAT`."""
    gateway: Name
    """The identity that sends it; the subject must say the same."""
    boot: Boot
    """Random for each start of the gateway's process, hexadecimal."""
    n: Annotated[int, Meta(ge=1, le=_INT_MAX)]
    """1 for the first report of the boot, without gaps."""
    time: Time
    """When the devices were read, Unix s by the gateway's clock."""
    interval_s: Annotated[int, Meta(ge=1, le=3600)]
    """How long until the next one."""
    more: bool = False
    """The next report is of the same moment: this one is a part that was cut to fit."""
    places: tuple[Place, ...] = ()
    interfaces: tuple[Samples, ...] = ()

    def count(self) -> int:
        """Return the number of samples."""
        return sum(len(each.peers) for each in self.interfaces)


encode = codec.encode
"""Return the bytes of a report."""


class _Format(msgspec.Struct):
    """All that is read of a report that cannot be understood."""

    format: int = 0


_decode = codec.decoder(Report)
_decode_format = codec.decoder(_Format)


def decode(raw: bytes) -> Report:
    """Return a report that keeps every rule of its fields.

    Raises `Unsupported` if it is of a newer format, else `Invalid` with the field.
    """
    if len(raw) > REPORT_BYTES_MAX:
        raise errors.Invalid(f"report: {len(raw)} bytes, at most {REPORT_BYTES_MAX} are read")
    try:
        report = _decode(raw)
    except errors.Invalid:
        _refuse_newer(_decode_format(raw).format)
        raise
    _refuse_newer(report.format)
    for place in report.places:
        _check_organisation(place.organisation)
    for samples in report.interfaces:
        _check_columns(samples, len(report.places))
    return report


def _refuse_newer(format: int) -> None:
    if format > FORMAT:
        raise errors.Unsupported(
            f"format: a report of format {format}, this program knows {FORMAT}",
            field="format",
            hint="upgrade this node",
        )


_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def _check_columns(samples: Samples, places: int) -> None:
    count = len(samples.peers)
    columns = (samples.handshakes, samples.received, samples.sent, samples.places or samples.sent)
    if any(len(column) != count for column in columns):
        raise errors.Invalid("interfaces: columns of different lengths", field="interfaces")
    if max(samples.places, default=0) > places:
        raise errors.Invalid("places: an index beyond the table", field="places")
    # All keys at once: what is left without base64's characters is the last character of each.
    keys = "".join(samples.peers).encode()
    pads = b"=" * count
    if keys.translate(None, _BASE64) != pads or keys[43::44] != pads:
        raise errors.Invalid("peers: something is not a key", field="peers")


ADDRESS = re.compile(r"[0-9]\.[0-9].*\.[0-9].*\.[0-9]|:.*:")
"""What a text with an IPv4 or IPv6 address in it matches somewhere, and some harmless ones.

It is what the table of organisations refuses (`sqlite/history_schema.sql`): a report that could
not be stored would come again for ever.
"""


def _check_organisation(name: str) -> None:
    if not name.isprintable() or ADDRESS.search(name):
        raise errors.Invalid(
            "places.organisation: it looks like an address, or cannot be printed",
            field="places.organisation",
        )


def split(report: Report) -> Iterator[Report]:
    """Yield the parts of a report of any size, each within `REPORT_BYTES_MAX`.

    They are numbered from `report.n` on, each has only the places that it uses, and all but the
    last say `more`. A report without samples has one part.
    """
    parts = list(_parts(report.interfaces)) or [[]]
    for index, part in enumerate(parts):
        places, samples = _with_own_places(part, report.places)
        yield replace(
            report,
            n=report.n + index,
            more=index + 1 < len(parts),
            places=places,
            interfaces=samples,
        )


def _parts(interfaces: Iterable[Samples]) -> Iterator[list[Samples]]:
    """Yield at most `SAMPLES_MAX` samples at a time."""
    part: list[Samples] = []
    room = SAMPLES_MAX
    for samples in interfaces:
        start = 0
        while start < len(samples.peers):
            part.append(_cut(samples, start, start + room))
            start, room = start + room, room - len(part[-1].peers)
            if not room:
                yield part
                part, room = [], SAMPLES_MAX
    if part:
        yield part


def _cut(samples: Samples, start: int, end: int) -> Samples:
    return Samples(
        interface=samples.interface,
        peers=samples.peers[start:end],
        handshakes=samples.handshakes[start:end],
        received=samples.received[start:end],
        sent=samples.sent[start:end],
        places=samples.places[start:end],
    )


def _with_own_places(
    part: list[Samples], places: tuple[Place, ...]
) -> tuple[tuple[Place, ...], tuple[Samples, ...]]:
    """Return the places that a part uses, and the part with its indexes into them."""
    used = sorted({index for samples in part for index in samples.places} - {0})
    index_of = {old: new for new, old in enumerate([0, *used])}
    return tuple(places[index - 1] for index in used), tuple(
        replace(samples, places=tuple(index_of[index] for index in samples.places))
        for samples in part
    )


def place(country: str, asn: int, organisation: str) -> Place:
    """Return a place from what a GeoIP file says; what does not fit a field is left out."""
    name = "".join(filter(str.isprintable, organisation))[:ORGANISATION_CHARACTERS_MAX]
    return Place(
        country=country if re.fullmatch(r"[A-Z]{2}", country) else "",
        asn=asn if 0 <= asn < 2**32 else 0,
        organisation="" if ADDRESS.search(name) else name,
    )
