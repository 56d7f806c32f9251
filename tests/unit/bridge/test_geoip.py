"""Places of addresses, from real files: read again when they change, harmless when they are bad."""

import logging
import os

import pytest

from bridge.geoip import GeoIP
from tests.lab import places
from wig import stats
from wig.device import Endpoint

HOME = Endpoint("192.0.2.7:51820")
HOME6 = Endpoint("[2001:db8:7::1]:51820")
ELSEWHERE = Endpoint("203.0.113.1:9")


@pytest.fixture
def country(tmp_path):
    """A file of countries."""
    known = {"192.0.2.0/24": "SE", "2001:db8::/32": "NO"}
    return places.write_countries(tmp_path / "country.mmdb", known)


@pytest.fixture
def asn(tmp_path):
    """A file of autonomous systems."""
    known = {"192.0.2.0/24": (64500, "Example AB"), "2001:db8::/32": (64501, "Six 192.0.2.7 AS")}
    return places.write_networks(tmp_path / "asn.mmdb", known)


def opened(country=None, asn=None):
    found = GeoIP(country, asn)
    found.refresh()
    return found


def warnings(caplog):
    """Return why files could not be read, and what there is instead."""
    return [(one.reason, one.places) for one in caplog.records if one.levelno >= logging.WARNING]


def test_country_and_network_are_found(country, asn):
    """For both families; a name that contains an address is left out."""
    found = opened(country, asn)

    assert found.find(HOME) == stats.Place(country="SE", asn=64500, organisation="Example AB")
    assert found.find(HOME6) == stats.Place(country="NO", asn=64501)
    assert found.find(ELSEWHERE) is None


@pytest.mark.parametrize(
    "text", ["192.0.2.7:1", "[::ffff:192.0.2.7]:1", "[::ffff:192.0.2.7%eth0]:1"]
)
def test_an_address_is_understood_as_devices_write_it(country, text):
    """With a zone, or IPv4 in the clothes of IPv6."""
    assert opened(country).find(Endpoint(text)) == stats.Place(country="SE")


def test_each_file_can_be_absent(country, asn):
    """By the operator's choice."""
    assert opened(country).find(HOME) == stats.Place(country="SE")
    assert opened(asn=asn).find(HOME) == stats.Place(asn=64500, organisation="Example AB")
    assert opened().find(HOME) is None


def test_a_file_that_is_replaced_is_read_again(country, asn):
    """What was found before counts for nothing then."""
    found = opened(country, asn)
    found.refresh()
    assert (found.version, found.find(HOME).country) == (1, "SE")

    places.write_countries(country, {"192.0.2.0/24": "DK"})
    found.refresh()

    assert (found.version, found.find(HOME).country) == (2, "DK")


def test_a_file_that_is_overwritten_in_place_disturbs_nobody(country, caplog):
    """Half a file is no file: the one of before goes on; the whole one is taken."""
    found = opened(country)
    good = country.read_bytes()
    os.truncate(country, 0)
    found.refresh()
    country.write_bytes(good[: len(good) // 2])
    found.refresh()
    found.refresh()

    assert found.find(HOME).country == "SE"
    assert (
        warnings(caplog)
        == [
            ("it is no MaxMind database, or not whole", "those of before"),
        ]
        * 2
    )
    country.write_bytes(good)
    found.refresh()
    assert (found.version, found.find(HOME).country) == (2, "SE")


def test_a_missing_file_is_said_once(tmp_path, country, caplog):
    """And read when it is there."""
    late = tmp_path / "late.mmdb"
    found = opened(late)
    found.refresh()

    assert found.find(HOME) is None
    assert warnings(caplog) == [("No such file or directory", "none")]
    country.rename(late)
    found.refresh()
    assert found.find(HOME).country == "SE"


def test_the_wrong_file_is_said(country, asn, caplog):
    """The two exchanged, for example."""
    found = opened(asn, country)

    assert found.find(HOME) is None
    assert [reason for reason, _ in warnings(caplog)] == [
        "its type is 'GeoLite2-ASN', and has none of Country, City, Enterprise in it",
        "its type is 'GeoLite2-Country', and has none of ASN, ISP, Enterprise in it",
    ]


def test_a_file_of_ipv4_knows_nothing_of_ipv6(tmp_path):
    """That is no error."""
    record = {"192.0.2.0/24": {"country": {"iso_code": "SE"}}}
    found = opened(places.write(tmp_path / "4.mmdb", places.COUNTRY, record, ip_version=4))

    assert (found.find(HOME), found.find(HOME6)) == (stats.Place(country="SE"), None)


def test_records_of_another_shape_are_no_places(tmp_path):
    """Whatever is where a country or number should be."""
    records = {
        "192.0.2.0/24": {"country": "SE", "autonomous_system_number": "64500"},
        "203.0.113.0/24": "text",
    }
    path = places.write(tmp_path / "odd.mmdb", "Odd-Enterprise", records)
    found = opened(path, path)

    assert (found.find(HOME), found.find(ELSEWHERE)) == (None, None)


def test_a_damaged_file_is_said_once_without_the_address(country, caplog):
    """Damage that shows only when somebody looks."""
    raw = bytearray(country.read_bytes())
    data = raw.index(b"iso_code")
    raw[data - 60 : data + 60] = b"\xff" * 120
    country.write_bytes(raw)
    found = opened(country)

    assert [found.find(HOME), found.find(HOME)] == [None, None]
    assert [reason for reason, _ in warnings(caplog)] == ["it is damaged"]
    assert "192.0.2.7" not in caplog.text + repr([vars(one) for one in caplog.records])
