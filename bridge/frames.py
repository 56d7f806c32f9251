"""Messages in the form that NATS's client protocol gives them. Called by whoever sends much.

nats-py makes them too, at five times the cost: entries and answers are sent by the ten thousand.
Subjects and headers are made by wig itself, or were taken out of a message: they have no spaces.
"""

from bridge import wire
from wig.log import Record


def headers(values: dict[str, str]) -> bytes:
    """Return a block of headers."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in values.items())
    return f"NATS/1.0\r\n{lines}\r\n".encode()


def message(subject: str, payload: bytes, *, reply: str = "", head: bytes = b"") -> bytes:
    """Return a message; `head` is what `headers` made, empty: none."""
    if not head:
        return b"PUB %b %b %d\r\n%b\r\n" % (
            subject.encode(), reply.encode(), len(payload), payload
        )  # fmt: skip
    return b"HPUB %b %b %d %d\r\n%b%b\r\n" % (
        subject.encode(), reply.encode(), len(head), len(head) + len(payload), head, payload
    )  # fmt: skip


def entry(subject: bytes, record: Record, epoch: str, before: str | None, reply: str = "") -> bytes:
    """Return an entry as it is published: accepted only right after the one before.

    `before` is the digest before it, None on an empty stream. The stream's answer goes to
    `reply`; without one nobody is told: the answer to the last of a group proves all of them.
    """
    values = record.seq - 1, record.digest.hex().encode(), epoch.encode()
    head = _HEAD_FIRST % values if before is None else _HEAD % (*values, before.encode())
    payload = record.payload
    return b"HPUB %b %b %d %d\r\n%b%b\r\n" % (
        subject, reply.encode(), len(head), len(head) + len(payload), head, payload
    )  # fmt: skip


_HEAD_FIRST = (
    f"NATS/1.0\r\n{wire.EXPECTED_LAST_SEQUENCE}: %d\r\n{wire.MSG_ID}: %b\r\n"
    f"{wire.EPOCH}: %b\r\n\r\n"
).encode()
_HEAD = _HEAD_FIRST[:-2] + f"{wire.EXPECTED_LAST_MSG_ID}: %b\r\n\r\n".encode()
