"""Rates as people write them."""

import pytest

from wig import errors, rates


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        pytest.param("64000", 64_000, id="bit"),
        pytest.param("500k", 500_000, id="kilo"),
        pytest.param("10M", 10_000_000, id="mega"),
        pytest.param("1G", 1_000_000_000, id="giga"),
        pytest.param("1.5M", 1_500_000, id="fraction"),
        pytest.param("2.500000000G", 2_500_000_000, id="zeros"),
        pytest.param("none", None, id="none"),
        pytest.param("0", None, id="zero"),
    ],
)
def test_a_rate_is_read(text, rate):
    """Units are decimal."""
    assert rates.parse(text, "rate_limit") == rate


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (1, "1"),
        (64_500, "64500"),
        (64_000, "64k"),
        (1_500_000, "1500k"),
        (10**7, "10M"),
        (10**9, "1G"),
    ],
)
def test_a_rate_is_shown(rate, text):
    """As it can be typed again."""
    assert rates.text(rate) == text
    assert rates.parse(text, "rate_limit") == rate


@pytest.mark.parametrize("text", ["", "k", "10m", "10Mbit", "-1", "1.5", "0.0001k", "1e6", "١M"])
def test_what_is_no_rate_is_refused(text):
    """Also one that is not a whole number of bit/s."""
    with pytest.raises(errors.Invalid, match=r"rate_limit: .* is not a rate in bit/s"):
        rates.parse(text, "rate_limit")
