"""Messages that the server lets pass and nobody can read: each costs nothing but itself."""

import pytest

from bridge import frames
from tests.buses import connected
from tests.eventually import eventually

FRAMES = {
    "headers that are one letter": frames.message("it", b"", head=b"A"),
    "headers without an end": frames.message("it", b"", head=b"NATS/1.0"),
    "a status that is no text": frames.message("it", b"", head=b"NATS/1.0 100 \xff\r\n\r\n"),
    "a reply that is no text": b"PUB it \xff\xfe 0\r\n\r\n",
    "a subject that is no text": b"PUB it.\xff 0\r\n\r\n",
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES.keys())
@pytest.mark.parametrize("plain", [True, False])
async def test_what_cannot_be_read_is_dropped(server, frame, plain):
    """The next message arrives over the same connection."""
    heard, lost = [], []

    async def hear(message):
        heard.append(message.data)

    async with connected(server) as bus, connected(server) as stranger:
        for subject in ("it", "it.*"):
            await bus.subscribe(subject, (lambda it: heard.append(it.data)) if plain else hear)
        bus.on_down(lambda: lost.append(bus))
        stranger.send(frame)
        await stranger.publish("it", b"next")

        await eventually(lambda: b"next" in heard, "the next message")

    assert heard == [b"next"]
    assert not lost[1:]
