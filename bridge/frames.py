"""Messages in the form that NATS's client protocol gives them. Called by whoever sends much.

nats-py makes them too, at five times the cost: entries and answers are sent by the ten thousand.
Subjects and headers are made by wig itself, or were taken out of a message: they have no spaces.
"""

from bridge import wire


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


def entry(subject: bytes, seq: int, digest: str, before: str | None, payload: bytes) -> bytes:
    """Return an entry as it is published: accepted only right after the one before.

    `before` is the digest before it, None on an empty stream. Nobody is told whether it was
    accepted: the last of a group, made by `last_entry`, proves all of them.
    """
    return _entry(subject, b"", seq, digest, before, payload)


def last_entry(
    subject: bytes, reply: str, seq: int, digest: str, before: str | None, payload: bytes
) -> bytes:
    """Return the last entry of a group; the stream's answer goes to `reply`."""
    return _entry(subject, reply.encode(), seq, digest, before, payload)


_HEAD = (
    f"NATS/1.0\r\n{wire.EXPECTED_LAST_SEQUENCE}: %d\r\n{wire.MSG_ID}: %b\r\n"
    f"{wire.EXPECTED_LAST_MSG_ID}: %b\r\n\r\n"
).encode()
_HEAD_FIRST = (
    f"NATS/1.0\r\n{wire.EXPECTED_LAST_SEQUENCE}: %d\r\n{wire.MSG_ID}: %b\r\n\r\n"
).encode()


def _entry(
    subject: bytes, reply: bytes, seq: int, digest: str, before: str | None, payload: bytes
) -> bytes:
    if before is None:
        head = _HEAD_FIRST % (seq - 1, digest.encode())
    else:
        head = _HEAD % (seq - 1, digest.encode(), before.encode())
    return b"HPUB %b %b %d %d\r\n%b%b\r\n" % (
        subject, reply, len(head), len(head) + len(payload), head, payload
    )  # fmt: skip
