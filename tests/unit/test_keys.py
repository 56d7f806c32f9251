"""Keys: what is one, and what never shows."""

import base64

import pytest

from tests import builders
from wig import errors, keys

GOOD = builders.key()

BAD = [
    pytest.param("", "44 characters", id="empty"),
    pytest.param("short", "44 characters", id="short"),
    pytest.param(GOOD + "=", "44 characters", id="long"),
    pytest.param(None, "44 characters", id="none"),
    pytest.param("ü" * 44, "not valid base64", id="not-ascii"),
    pytest.param("!" * 43 + "=", "not valid base64", id="not-base64"),
    pytest.param(GOOD[:20] + "\n" + GOOD[21:], "not valid base64", id="line-break"),
    pytest.param(base64.b64encode(bytes(31)).decode(), "31 bytes", id="31-bytes"),
    pytest.param(base64.b64encode(b"x" * 33).decode(), "33 bytes", id="33-bytes"),
    pytest.param(base64.b64encode(bytes(32)).decode(), "all bytes are zero", id="zero"),
    pytest.param("A" * 41 + "BB=", "canonical", id="spare-bits"),
]


@pytest.mark.parametrize(("text", "rule"), BAD)
def test_what_is_not_a_public_key_is_refused(text, rule):
    """The error names field, value and rule."""
    with pytest.raises(errors.Invalid, match=rule) as caught:
        keys.parse_public(text, "peers[3].public_key")

    assert caught.value.field == "peers[3].public_key"
    assert errors.quoted(text) in caught.value.message


@pytest.mark.parametrize(("text", "rule"), BAD)
def test_a_bad_secret_is_refused_without_repeating_it(text, rule):
    """What was meant as a secret must not end up in a log."""
    with pytest.raises(errors.Invalid, match=rule) as caught:
        keys.PrivateKey.parse(text)

    assert caught.value.field == "private_key"
    assert not text or text not in caught.value.message


def test_a_public_key_is_its_text():
    """A good key comes back as it went in."""
    assert keys.parse_public(GOOD) == GOOD


def test_a_secret_does_not_show():
    """Neither `repr` nor `str` nor a format reveals a secret; `reveal` does."""
    secret = keys.PresharedKey.parse(GOOD, "psk")

    assert [repr(secret), str(secret), f"{secret}"] == ["PresharedKey(…)"] * 3
    assert secret.reveal() == GOOD


def test_secrets_are_equal_by_kind_and_text():
    """A private key is not a preshared key, whatever its bytes."""
    assert keys.PrivateKey(GOOD) == keys.PrivateKey(GOOD)
    assert keys.PrivateKey(GOOD) != keys.PresharedKey(GOOD)
    assert keys.PrivateKey(GOOD) != GOOD
    assert len({keys.PrivateKey(GOOD), keys.PrivateKey(GOOD)}) == 1
