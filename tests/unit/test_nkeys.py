"""NATS keys, against what others published."""

import base64
import binascii

import pytest

from wig import errors, nkeys

PUBLISHED = [
    # docs.nats.io, "NKeys": a user.
    ("SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY",
     "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4", nkeys.USER),
    # natsbyexample.com, "Auth Callout": an account.
    ("SAANDLKMXL6CUS3CP52WIXBEDN6YJ545GDKC65U5JZPPV6WH6ESWUA6YAI",
     "ABJHLOVMPA4CI6R5KLNGOB4GSLNIY7IOUPAJC4YFNDLQVIOBYQGUWVLA", nkeys.ACCOUNT),
]  # fmt: skip

# RFC 8032, 7.1, TEST 2.
SECRET = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
PUBLIC = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


@pytest.mark.parametrize(("seed", "public", "kind"), PUBLISHED)
def test_a_published_seed_gives_its_public_key(seed, public, kind):
    """In both directions."""
    key = nkeys.parse_seed(seed)

    assert key.public_key == public
    assert key.reveal() == seed
    assert nkeys.public(kind, nkeys.parse_public(kind, public)) == public


def test_signatures_are_ed25519():
    """As in RFC 8032; a changed text or signature is refused."""
    key = nkeys.KeyPair(nkeys.ACCOUNT, SECRET)

    assert nkeys.parse_public(nkeys.ACCOUNT, key.public_key) == PUBLIC
    assert key.sign(b"\x72") == SIGNATURE
    assert nkeys.verify(PUBLIC, b"\x72", SIGNATURE)
    assert not nkeys.verify(PUBLIC, b"\x73", SIGNATURE)
    assert not nkeys.verify(PUBLIC, b"\x72", SIGNATURE[:-1])


@pytest.mark.parametrize(
    ("kind", "letter"), [(nkeys.ACCOUNT, "A"), (nkeys.USER, "U"), (nkeys.SERVER, "N")]
)
def test_the_first_letter_says_what_a_key_is_for(kind, letter):
    """A person sees it, and a key of another kind is refused."""
    key = nkeys.KeyPair(kind, SECRET)

    assert key.public_key[0] == letter
    assert key.reveal()[:2] == "S" + letter
    with pytest.raises(errors.Invalid, match="of this kind"):
        nkeys.parse_public(nkeys.USER if kind != nkeys.USER else nkeys.SERVER, key.public_key)


def with_check(raw):
    check = binascii.crc_hqx(raw, 0).to_bytes(2, "little")
    return base64.b32encode(raw + check).decode().rstrip("=")


@pytest.mark.parametrize(
    "text",
    [
        "", "A", "AA", "not base32!", "ÄÖ", PUBLISHED[0][1], PUBLISHED[0][0][:-1] + "A",
        with_check(bytes([18 << 3, 0]) + b"short"),
        with_check(bytes([18 << 3 | 7, 7 << 3]) + bytes(32)),
        with_check(bytes([0, 0]) + bytes(32)),
    ],
)  # fmt: skip
def test_what_is_no_seed_is_refused_without_repeating_it(text):
    """It may be a seed with a typing error: still a secret."""
    with pytest.raises(errors.Invalid, match="seed: it") as caught:
        nkeys.parse_seed(text)

    assert len(text) < 3 or text not in str(caught.value)


def test_a_key_does_not_show_its_seed():
    """Not in its `repr`, which ends up in logs."""
    key = nkeys.KeyPair(nkeys.USER, SECRET)

    assert repr(key) == f"KeyPair({key.public_key})"


def test_a_key_is_made_from_32_bytes_for_a_known_use():
    """Less would be guessable."""
    with pytest.raises(ValueError, match="32 bytes"):
        nkeys.KeyPair(nkeys.USER, b"short")
    with pytest.raises(ValueError, match="no kind"):
        nkeys.KeyPair(5, SECRET)
