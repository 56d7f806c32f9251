"""Bad input, end to end: one clear error each, exit code 1 or 2, and nothing changed."""

import json

import pytest

from tests.builders import key
from tests.program import Up, wig
from wig.sqlite.reader import Reader

LONG = "n" * 16
TEN_MB = 10 * 1024 * 1024


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    """A primary with two interfaces: one with a peer, one whose pool has room for one peer."""
    with Up(tmp_path_factory.mktemp("up") / "state", "--no-gateway", "--no-interface") as running:
        for words in (
            ("interface", "create", "wg0", "--address", "10.0.0.1/24", "--address", "fd00::1/64"),
            ("interface", "create", "tiny", "--address", "10.9.0.1/30", "--port", "51821"),
            ("peer", "create", "wg0", "--public-key", key("there"), "--ip", "10.0.0.77"),
            ("peer", "create", "tiny", "--public-key", key("only")),
            ("interface", "create", "gone", "--address", "10.8.0.1/24", "--port", "51822"),
            ("interface", "delete", "gone"),
        ):
            done = running.wig(*words)
            assert done.code == 0, done.err
        yield running


def peer(*words):
    return ["peer", "create", "wg0", "--public-key", key("new"), *words]


def interface(*words, name="wg9", port="4000", address="10.77.0.1/24"):
    return ["interface", "create", name, "--port", port, "--address", address, *words]


ZERO = "A" * 43 + "="
BAD = [
    # keys
    ("malformed key", ["peer", "create", "wg0", "--public-key", "x" * 44], "public_key: 'xxx"),
    ("short key", ["peer", "create", "wg0", "--public-key", key(1)[:40]], "public_key: '"),
    ("all-zero key", ["peer", "create", "wg0", "--public-key", ZERO], "all bytes are zero"),
    (
        "duplicate key",
        ["peer", "create", "tiny", "--public-key", key("there")],
        "is already a peer",
    ),
    # names
    ("name with a space", interface(name="wg 9"), "name: 'wg 9'"),
    ("name of 16 bytes", interface(name=LONG), f"name: '{LONG}'"),
    ("name with dots", interface(name="wg..9"), "name: 'wg..9'"),
    ("name that is a path", interface(name=".."), "name: '..'"),
    ("name in unicode", interface(name="wgä"), "name: 'wgä'"),
    ("empty name", interface(name=""), "name: ''"),
    # addresses
    ("host bits", peer("--ip", "10.0.0.9/29"), "ip: '10.0.0.9/29' has bits set after its prefix"),
    ("no address", peer("--ip", "10.0.0"), "ip: '10.0.0' is not an IP address"),
    ("outside the pool", peer("--ip", "10.0.1.1"), "ip: '10.0.1.1' is outside"),
    ("another peer's", peer("--ip", "10.0.0.77"), "ip: '10.0.0.77'"),
    ("over another peer's", peer("--ip", "10.0.0.64/27"), "ip: '10.0.0.64/27'"),
    ("/24 over /32", peer("--ip", "10.0.0.0/24"), "ip: '10.0.0.0/24'"),
    ("interface's own", peer("--ip", "10.0.0.1"), "ip: '10.0.0.1'"),
    ("network", peer("--ip", "10.0.0.0"), "ip: '10.0.0.0'"),
    ("broadcast", peer("--ip", "10.0.0.255"), "ip: '10.0.0.255'"),
    ("interface's own IPv6", peer("--ip6", "fd00::1"), "ip6: 'fd00::1'"),
    ("wrong family", peer("--ip", "fd00::9"), "ip: 'fd00::9'"),
    ("exhausted", ["peer", "create", "tiny", "--public-key", key("new")], "ip: "),
    ("interface without a prefix", interface(address="10.77.0.1"), "addresses: '10.77.0.1'"),
    ("interface at the network", interface(address="10.77.0.0/24"), "addresses: '10.77.0.0/24'"),
    # interfaces
    (
        "unknown interface",
        ["peer", "create", "wg7", "--public-key", key("new")],
        "interface: 'wg7' is not an interface",
    ),
    (
        "unknown interface, with a configuration",
        ["peer", "create", "wg7", "--endpoint", "x"],
        "interface: 'wg7' is not an interface",
    ),
    (
        "deleted interface",
        ["peer", "create", "gone", "--public-key", key("new")],
        "interface: 'gone' is not an interface",
    ),
    ("port 0", interface(port="0"), "port: '0'"),
    ("port 70000", interface(port="70000"), "port: '70000'"),
    ("negative port", interface(port="-1"), "port"),
    ("port in use", interface(port="51821"), "port: '51821' is the port of interface tiny"),
    ("MTU 10", interface("--mtu", "10"), "mtu: '10'"),
    ("peers left", ["interface", "delete", "wg0"], "name: 'wg0' still has 1 peer"),
    ("unknown, show", ["interface", "show", "wg7"], "name: 'wg7'"),
    ("unknown, delete", ["interface", "delete", "wg7"], "name: 'wg7'"),
    # peers
    ("expire in the past", peer("--expire", "2020-01-01T00:00:00Z"), "expire: '2020-01-01"),
    ("expire without a zone", peer("--expire", "2099-01-01"), "expire: '2099-01-01' has no time"),
    ("unknown peer", ["peer", "delete", key("nobody")], f"public_key: '{key('nobody')}'"),
    ("description too long", peer("--description", "x" * 2000), "description: 'xxx"),
    ("newline in a name", peer("--name", "a\nb"), "name: 'a"),
    # tokens
    ("unknown role", ["token", "create", "x", "--role", "king"], "role: 'king' is not a role"),
    ("identity with a dot", ["token", "create", "a.b", "--role", "admin"], "id: 'a.b'"),
    ("last admin", ["token", "delete", "admin"], "is the last token with role admin"),
]


@pytest.mark.parametrize(
    ("words", "message"), [pytest.param(words, text, id=name) for name, words, text in BAD]
)
def test_bad_input_is_one_clear_error_and_changes_nothing(up, words, message):
    """Field, value and rule in one line; a hint at most; the log does not grow."""
    before = head(up)

    done = up.wig(*words)

    errors = done.err.splitlines()
    assert done.code in {1, 2}
    assert done.out == ""
    assert errors[0].startswith("wig: ")
    assert message in errors[0]
    assert [line.partition(":")[0] for line in errors[1:]] in ([], ["hint"])
    assert head(up) == before


def head(up):
    with Reader(up.state_dir / "wig.db") as reader:
        return reader.position().seq


def test_a_request_of_10_mb_is_refused_before_it_is_sent(up):
    """It would close the connection for good; the program knows the limit."""
    before = head(up)
    line = json.dumps({"public_key": key("new"), "description": "x" * TEN_MB})

    done = up.wig("peer", "import", "-", "--interface", "wg0", stdin=line)

    assert done.code == 1
    assert done.err.startswith("wig: line 1: is longer than 65536 bytes")
    assert head(up) == before


def test_an_unknown_json_field_is_refused(up):
    """A misspelt option in a file is an error, not a silence."""
    line = json.dumps({"public_key": key("new"), "adress": "10.0.0.9"})

    done = up.wig("peer", "import", "-", "--interface", "wg0", stdin=line)

    assert done.code == 1
    assert done.err.startswith("wig: line 1: adress: ")


def test_errors_in_json_have_code_and_field(up):
    """A program need not read the sentence."""
    done = up.wig(*interface(port="0"), "--output", "json")

    assert (done.code, done.out) == (1, "")
    assert done.error["code"] == "invalid"
    assert done.error["field"] == "port"


def test_no_server_is_exit_code_3(tmp_path):
    """Nothing listens there: a unit may try again."""
    done = wig(tmp_path, "status", "--server", "nats://127.0.0.1:1")

    assert done.code == 3
    assert done.err.startswith("wig: server: nats://127.0.0.1:1 cannot be reached")
    assert "\nhint: " in done.err


def test_a_node_that_is_not_there_is_named(up):
    """It is not the primary that does not answer."""
    done = up.wig("peer", "list", "--node", "nowhere", "--timeout", "1")

    assert done.code == 3
    assert done.err.startswith("wig: node: 'nowhere' does not answer\nhint: ")


def test_a_missing_token_file_is_named(tmp_path):
    """The error says which file, and which option names it."""
    done = wig(tmp_path, "status", "--token-file", "/no/token", "--server", "nats://127.0.0.1:1")

    assert done.code == 1
    assert "token" in done.err
    assert "/no/token" in done.err
