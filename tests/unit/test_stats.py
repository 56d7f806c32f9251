"""Reports as bytes: strict, small, and without room for an address."""

import msgspec
import pytest

from tests.builders import key
from tests.reports import START, SWEDEN, Teller, samples
from wig import errors, stats

ADDRESSES = ["192.0.2.77", "2001:db8::77", "::ffff:192.0.2.77", "fe80::1%eth0"]


def raw(**changes):
    """Return a report's JSON as a dict, with some fields replaced."""
    report = Teller().tell(30, (1, 20, 1000, 2000, 1), (2, 25, 10, 20))
    return msgspec.json.decode(stats.encode(report)) | changes


def columns(**changes):
    """Return a report with some columns replaced."""
    return raw(interfaces=[raw()["interfaces"][0] | changes])


def decode(document):
    return stats.decode(msgspec.json.encode(document))


def test_a_report_survives_encoding():
    """All of it."""
    report = Teller().tell(30, (1, 20, 1000, 2000, 1), (2, 25, 10, 20))

    assert stats.decode(stats.encode(report)) == report
    assert report.count() == 2


def test_the_bytes_are_what_is_documented():
    """Other programs may read them."""
    assert raw() == {
        "format": 1,
        "gateway": "gw1",
        "boot": "0" * 16,
        "n": 1,
        "time": START + 30,
        "interval_s": 30,
        "places": [{"country": "SE", "asn": 64500, "organisation": "Example AB"}],
        "interfaces": [
            {
                "interface": "wg0",
                "peers": [key(1), key(2)],
                "handshakes": [START + 20, START + 25],
                "received": [1000, 10],
                "sent": [2000, 20],
                "places": [1, 0],
            }
        ],
    }


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(raw(endpoint="x"), id="unknown field"),
        pytest.param(raw(n=0), id="n is not counted from 1"),
        pytest.param(raw(boot="xyz"), id="boot"),
        pytest.param(raw(time=-1), id="time"),
        pytest.param(raw(gateway="gw.1"), id="gateway"),
        pytest.param(raw(gateway="gw1\n"), id="gateway with a line end"),
        pytest.param(raw(interval_s=0), id="interval"),
        pytest.param(columns(interface="10.0.0.1"), id="interface"),
        pytest.param(columns(peers=[key(1)]), id="fewer keys"),
        pytest.param(columns(received=[1]), id="fewer counters"),
        pytest.param(columns(places=[1]), id="fewer places"),
        pytest.param(columns(places=[1, 2]), id="place beyond the table"),
        pytest.param(columns(received=[-1, 0]), id="negative counter"),
        pytest.param(columns(sent=[2**60 + 1, 0]), id="huge counter"),
        pytest.param(columns(peers=[key(1), "x" * 44]), id="key without its end"),
        pytest.param(columns(peers=[key(1), "é" * 43 + "="]), id="key in another alphabet"),
        pytest.param(
            columns(peers=[key(1)[:43] + "A", "=" * 2 + key(2)[:42]]), id="ends elsewhere"
        ),
        pytest.param(raw(places=[{"country": "Sweden"}]), id="country"),
        pytest.param(raw(places=[{"asn": 2**32}]), id="autonomous system"),
        pytest.param(raw(places=[{"organisation": "x" * 65}]), id="long organisation"),
        pytest.param(raw(places=[{"organisation": "a\nb"}]), id="unprintable organisation"),
    ],
)
def test_what_breaks_a_rule_is_refused(document):
    """Each with the field."""
    with pytest.raises(errors.Invalid) as caught:
        decode(document)

    assert caught.value.field


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_field_takes_an_address(address):
    """Names, keys, places: whoever tries to put one in is refused."""
    padded = address.ljust(43, "A") + "="
    attempts = [
        raw(gateway=address),
        raw(boot=address),
        columns(interface=address),
        columns(peers=[padded, key(2)]),
        raw(places=[{"country": address}]),
        raw(places=[{"organisation": f"at {address}"}]),
    ]

    for document in attempts:
        with pytest.raises(errors.Invalid):
            decode(document)


def test_a_newer_format_is_told_apart_from_damage():
    """So that the process stops and says what to do, and loses nothing."""
    for document in (raw(format=2), raw(format=2, shiny=True)):
        with pytest.raises(errors.Unsupported, match="format 2"):
            decode(document)


@pytest.mark.parametrize("junk", [b"", b"[]", b"\xff", b"{" * 100_000])
def test_junk_is_refused(junk):
    """Whatever it is."""
    with pytest.raises(errors.Invalid):
        stats.decode(junk)


def test_a_report_that_is_too_large_is_not_read():
    """A sender cannot make the reader spend memory."""
    with pytest.raises(errors.Invalid, match="at most 524288"):
        stats.decode(b" " * (stats.REPORT_BYTES_MAX + 1))


def whole(*interfaces, places=()):
    return msgspec.structs.replace(Teller().tell(30), interfaces=interfaces, places=places)


def test_a_large_report_is_split_and_nothing_is_lost():
    """Parts go on with the numbers; each has only its own places."""
    places = tuple(stats.Place(asn=n) for n in range(1, 4))
    wg0 = samples(*((n, 1, n, n, 1 + n % 2) for n in range(1500)))
    wg1 = samples(*((n, 1, n, n, 3) for n in range(1500, 2100)), interface="wg1")

    parts = list(stats.split(whole(wg0, wg1, places=places)))

    assert [(part.n, part.more, part.count()) for part in parts] == [
        (1, True, 1000),
        (2, True, 1000),
        (3, False, 100),
    ]
    assert [part.places for part in parts] == [places[:2], places, places[2:]]
    told = [
        (each.interface, peer, part.places[place - 1])
        for part in parts
        for each in part.interfaces
        for peer, place in zip(each.peers, each.places, strict=True)
    ]
    assert told == [
        (each.interface, peer, places[place - 1])
        for each in (wg0, wg1)
        for peer, place in zip(each.peers, each.places, strict=True)
    ]


@pytest.mark.parametrize("count", [0, 1000])
def test_a_report_that_fits_has_one_part(count):
    """An empty one, too: it says that nothing changed."""
    report = whole(*([samples(*((n, 1, 2, 3) for n in range(count)))] if count else []))

    assert list(stats.split(report)) == [report]


def test_no_part_is_larger_than_what_is_read():
    """With the longest of everything, each at another place."""
    places = tuple(
        stats.Place(country="SE", asn=2**31 + n, organisation='"\U0001f600' * 32)
        for n in range(1000)
    )
    rows = [(n, 2**40, 2**60, 2**60, n + 1) for n in range(1000)]

    (part,) = stats.split(whole(samples(*rows), places=places))

    assert len(stats.encode(part)) <= stats.REPORT_BYTES_MAX
    assert stats.decode(stats.encode(part)).count() == 1000


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_place_leaves_out_what_does_not_fit(address):
    """GeoIP files are not ours: what they say may be anything."""
    assert stats.place("SE", 64500, "Example AB") == SWEDEN
    assert stats.place("sweden", -1, f"x {address}") == stats.Place()
    assert stats.place("", 2**32, "a\n" + "b" * 100).organisation == "a" + "b" * 63
