"""Values and bytes: strict, stable, silent about secrets."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from tests import builders
from wig import codec, commands, errors, keys, log, ops
from wig.model import Interface, Peer

decode_peer = codec.decoder(Peer)
decode_lines = codec.lines_decoder(Peer)


def test_defaults_are_omitted():
    """A new field with a default changes neither the bytes nor the digests of old objects."""
    assert codec.encode(builders.peer(public_key="K")) == (
        b'{"kind":"peer","public_key":"K","interface":"wg0","created":"2026-01-01T12:00:00Z"}'
    )


def test_secrets_are_encoded_as_their_text():
    """A gateway needs the key itself."""
    interface = builders.interface()

    raw = codec.encode(interface)

    assert interface.private_key.reveal().encode() in raw
    assert codec.decoder(Interface)(raw) == interface


@pytest.mark.parametrize(
    ("raw", "field", "rule"),
    [
        pytest.param(b"", None, "truncated", id="empty"),
        pytest.param(b"{", None, "truncated", id="truncated"),
        pytest.param(b"\xff", None, "malformed", id="no-json"),
        pytest.param(b"[" * 100_000, None, "", id="deep"),
        pytest.param(b"[]", None, "array", id="wrong-kind"),
        pytest.param(
            b'{"interface":"wg0","public_key":"K","color":1}',
            "color",
            "unknown field",
            id="unknown",
        ),
        pytest.param(b'{"interface":"wg0"}', "public_key", "required field", id="missing"),
        pytest.param(
            b'{"interface":7,"public_key":"K"}', "interface", "Expected `str`", id="wrong-type"
        ),
        pytest.param(
            b'{"interface":"wg0","public_key":"K","expire":"2027-01-01T00:00:00"}',
            "expire",
            "timezone",
            id="naive-time",
        ),
        pytest.param(
            b'{"interface":"wg0","public_key":"K","name":"\xff"}', None, "utf-8", id="not-utf8"
        ),
        pytest.param(
            b'{"interface":"wg0","public_key":"K","preshared_key":"x"}',
            "preshared_key",
            "44 characters",
            id="bad-secret",
        ),
    ],
)
def test_bad_json_is_one_clear_error(raw, field, rule):
    """Whatever is wrong, it is `Invalid`, and names the field when there is one."""
    with pytest.raises(errors.Invalid) as caught:
        commands.DECODE["peer.create"](raw)

    assert caught.value.field == field
    assert rule in caught.value.message


def test_an_error_inside_a_list_names_the_path():
    """The way to the bad field is part of the message."""
    raw = b'{"peers":[{"interface":"wg0","public_key":"K","enabled":"yes"}]}'

    with pytest.raises(errors.Invalid) as caught:
        commands.DECODE["peer.import"](raw)

    assert caught.value.field == "peers[0].enabled"


def test_a_value_is_never_in_the_error():
    """It could be a secret."""
    with pytest.raises(errors.Invalid) as caught:
        commands.DECODE["peer.create"](b'{"interface":"wg0","public_key":"K","name":["hunter2"]}')

    assert "hunter2" not in str(caught.value)


def test_more_than_10000_peers_in_one_import_are_refused():
    """One command holds the writer for a bounded time."""
    one = codec.encode(builders.spec())
    raw = b'{"peers":[' + b",".join([one] * 10_001) + b"]}"

    with pytest.raises(errors.Invalid, match="length <= 10000"):
        commands.DECODE["peer.import"](raw)


def test_lines_decode_in_order():
    """Newline-separated values are the list of them."""
    peers = [builders.peer(seed) for seed in range(3)]

    assert decode_lines(codec.encode_lines(peers)) == peers


@pytest.mark.parametrize("raw", [b"{}\n", b"{\n", b"\xff\n"])
def test_bad_lines_are_one_clear_error(raw):
    """One bad line makes the whole batch bad."""
    with pytest.raises(errors.Invalid):
        decode_lines(codec.encode_lines([builders.peer()]) + raw)


def test_a_time_keeps_its_instant():
    """What was UTC is written with `Z`; another offset is kept, so that bytes are stable."""
    other = timezone(timedelta(hours=2))
    noon = datetime(2026, 1, 1, 14, tzinfo=other)

    raw = codec.encode(builders.peer(created=noon))

    assert decode_peer(raw).created == builders.NOON
    assert codec.encode(decode_peer(raw)) == raw
    assert b'"2026-01-01T12:00:00Z"' in codec.encode(builders.peer(created=noon.astimezone(UTC)))


def test_an_entry_of_an_unknown_op_is_refused():
    """A newer primary's op must stop an old replica, not confuse it."""
    raw = codec.encode(
        log.Entry(
            seq=1,
            time=builders.NOON,
            actor="admin",
            request="",
            op=ops.InterfaceDelete(name="wg0"),
        )
    ).replace(b"interface.delete", b"interface.rename")

    with pytest.raises(errors.Invalid, match=r"interface\.rename"):
        log.decode_entry(raw)


def test_foreign_types_are_a_programming_error():
    """The codec invents no encoding and no decoding."""
    with pytest.raises(NotImplementedError, match="no encoding for complex"):
        codec.encode(1j)
    with pytest.raises(NotImplementedError, match="no decoding for complex"):
        codec.decoder(complex)(b"1")


def test_a_secret_in_a_value_does_not_show():
    """The `repr` of an object is fit for a log."""
    psk = keys.PresharedKey(builders.key("psk"))

    assert psk.reveal() not in repr(builders.peer(preshared_key=psk))
