"""Frames: the same bytes that nats-py would send."""

import pytest
from nats.protocol import command

from bridge import frames
from wig.log import Record


@pytest.mark.parametrize("reply", ["", "_INBOX.me.1"])
@pytest.mark.parametrize("payload", [b"", b"{}", b"a\r\nb"])
def test_message_is_what_nats_py_sends(reply, payload):
    """Without headers."""
    assert frames.message("a.b", payload, reply=reply) == command.pub_cmd("a.b", reply, payload)


@pytest.mark.parametrize("reply", ["", "_INBOX.me.1"])
def test_message_with_headers_is_what_nats_py_sends(reply):
    """With headers."""
    head = frames.headers({"A": "1", "B": "two words"})

    assert head == b"NATS/1.0\r\nA: 1\r\nB: two words\r\n\r\n"
    assert frames.message("a", b"x", reply=reply, head=head) == command.hpub_cmd(
        "a", reply, head, b"x"
    )


def test_entry_says_after_which_it_comes():
    """Sequence and digest of the one before, and its own digest as the message's id."""
    record = Record(7, b"payload", bytes.fromhex("0b" * 32))
    frame = frames.entry(b"s", record, "e1", "0a" * 32, "_INBOX.me.1")
    line, head, payload = frame.split(b"\r\n", 1)[0], *frame.split(b"\r\n", 1)[1].split(b"\r\n\r\n")

    assert line == b"HPUB s _INBOX.me.1 %d %d" % (len(head) + 4, len(head) + 4 + 7)
    assert set(head.decode().split("\r\n")) == {
        "NATS/1.0",
        "Nats-Expected-Last-Sequence: 6",
        f"Nats-Msg-Id: {'0b' * 32}",
        f"Nats-Expected-Last-Msg-Id: {'0a' * 32}",
        "Wig-Epoch: e1",
    }
    assert payload == b"payload\r\n"


def test_first_entry_of_a_stream_expects_no_id():
    """An empty stream has no last message, only a sequence."""
    frame = frames.entry(b"s", Record(7, b"p", bytes(32)), "e1", None)

    assert b"Nats-Expected-Last-Sequence: 6\r\n" in frame
    assert b"Expected-Last-Msg-Id" not in frame
    assert frame.startswith(b"HPUB s  ")
