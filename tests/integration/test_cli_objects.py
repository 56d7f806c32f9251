"""Every command about objects, end to end: program, bus, primary, database."""

import json

import pytest

from tests.builders import key, private_key
from tests.program import Up

BASE = ("--address", "10.0.0.1/24", "--address", "fd00::1/64")


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    """A primary without gateway and without interfaces; tests make their own."""
    with Up(tmp_path_factory.mktemp("up") / "state", "--no-gateway", "--no-interface") as running:
        yield running


@pytest.fixture
def wig(up):
    """Run a command that must succeed, and return what it printed as JSON."""

    def run(*words, **options):
        done = up.wig(*words, "--output", "json", **options)
        assert (done.code, done.err) == (0, ""), done.err
        return done.document

    return run


@pytest.fixture
def wg(wig, request):
    """An interface of this test's own, with a name, a port and pools that no other test has."""
    number = wg.counter = getattr(wg, "counter", 0) + 1
    name = f"t{number}"
    wig(
        "interface", "create", name, "--port", str(2000 + number),
        "--address", f"10.{number}.0.1/24", "--address", f"fd00:{number}::1/64",
    )  # fmt: skip
    yield name
    wig("interface", "delete", name, "--with-peers")


# -- interfaces


def test_an_interface_lives(wig):
    """Create, show, list, update, delete: each sees what the one before did."""
    created = wig("interface", "create", "life", "--port", "1999", *BASE, "--dns", "10.0.0.1")
    updated = wig("interface", "update", "life", "--mtu", "1380", "--dns", "none")
    shown = wig("interface", "show", "life")
    listed = wig("interface", "list")
    deleted = wig("interface", "delete", "life")

    assert created["unchanged"] is False
    assert created["interface"]["addresses"] == ["10.0.0.1/24", "fd00::1/64"]
    assert created["interface"]["dns"] == ["10.0.0.1"]
    assert (updated["interface"]["mtu"], updated["interface"]["dns"]) == (1380, [])
    assert shown == {"interface": updated["interface"]}
    assert updated["interface"] in listed["interfaces"]
    assert deleted == {"deleted": {"interfaces": 1, "peers": 0, "tokens": 0}}


def test_a_repeated_create_is_unchanged(wig, wg):
    """Configuration management may run the same command again and again."""
    shown = wig("interface", "show", wg)["interface"]
    addresses = [word for text in shown["addresses"] for word in ("--address", text)]

    again = wig("interface", "create", wg, "--port", str(shown["port"]), *addresses)

    assert again == {"interface": shown, "unchanged": True}


def test_the_private_key_is_shown_only_when_asked_for(up, wig, wg, tmp_path):
    """Neither list nor show nor the result of create has it."""
    path = tmp_path / "key"
    path.write_text(private_key("shown").reveal())
    wig("interface", "update", wg, "--private-key-file", str(path))

    plain = up.wig("interface", "show", wg), up.wig("interface", "list", "--output", "json")
    with_secret = wig("interface", "show", wg, "--secrets")

    assert not [done for done in plain if private_key("shown").reveal() in done.out + done.err]
    assert with_secret["interface"]["private_key"] == private_key("shown").reveal()


def test_compare_and_set(up, wig, wg):
    """An update that expects another revision is refused and changes nothing."""
    revision = wig("interface", "show", wg)["interface"]["revision"]
    wig("interface", "update", wg, "--description", "first", "--revision", revision)

    second = up.wig("interface", "update", wg, "--description", "second", "--revision", revision)

    assert (second.code, second.out) == (1, "")
    assert second.err.startswith("wig: revision: ")
    assert wig("interface", "show", wg)["interface"]["description"] == "first"


# -- peers


def test_a_peer_with_its_own_key_lives(wig, wg):
    """Create, show, list, update, delete."""
    created = wig("peer", "create", wg, "--public-key", key("life"), "--name", "alice")
    updated = wig("peer", "update", key("life"), "--disable", "--ip6", "none")
    shown = wig("peer", "show", key("life"))
    listed = wig("peer", "list", "--interface", wg)
    deleted = wig("peer", "delete", key("life"))

    assert created["unchanged"] is False
    assert created["peer"]["name"] == "alice"
    assert created["peer"]["ip"].endswith(".0.2")
    assert (updated["peer"]["enabled"], updated["peer"]["ip6"]) == (False, None)
    shown["peer"].pop("last_seen", None)  # there as soon as sessions are kept
    assert shown == {"peer": updated["peer"]}
    assert listed == {"peers": [updated["peer"]]}
    assert deleted["deleted"]["peers"] == 1


def test_a_peer_without_a_key_gets_its_configuration(up, wg):
    """The configuration is the whole of stdout, so that it can be redirected into a file."""
    done = up.wig("peer", "create", wg, "--name", "alice", "--endpoint", "vpn.example.org")

    assert done.code == 0
    assert done.out.startswith("# alice (")
    assert "\nPrivateKey = " in done.out
    assert "\nEndpoint = vpn.example.org:" in done.out
    assert done.err.startswith("created: peer ")


def test_a_configuration_file_is_private_and_never_replaced(up, wig, wg, tmp_path):
    """A second peer does not take the place of the first one's only key."""
    path = tmp_path / "alice.conf"
    words = ("peer", "create", wg, "--endpoint", "vpn.example.org", "--config-out", str(path))

    first, second = up.wig(*words), up.wig(*words)

    assert (first.code, second.code) == (0, 1)
    assert "exists already" in second.err
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(wig("peer", "list", "--interface", wg)["peers"]) == 1


def test_a_failed_create_leaves_no_configuration_file(up, tmp_path):
    """There is nothing to connect to."""
    path = tmp_path / "alice.conf"

    done = up.wig("peer", "create", "nowhere", "--endpoint", "x", "--config-out", str(path))

    assert done.code == 1
    assert not path.exists()


def test_the_configuration_of_a_peer_is_what_create_printed(up, wg, tmp_path):
    """Given the private key, `config` prints the same file; it never came from the server."""
    path = tmp_path / "alice.key"
    path.write_text(private_key("config").reveal())
    keys = ("--private-key-file", str(path), "--endpoint", "vpn.example.org")

    created = up.wig("peer", "create", wg, "--name", "alice", "--preshared-key", *keys)
    public = created.err.split()[-1]
    printed = up.wig("peer", "config", public, *keys)
    without = up.wig("peer", "config", public, "--endpoint", "vpn.example.org")

    assert printed.out == created.out
    assert "PresharedKey = " in created.out
    assert "# PrivateKey = " in without.out


def test_another_peers_private_key_is_refused(up, wg, tmp_path):
    """A configuration with the wrong key would only fail much later, in silence."""
    path = tmp_path / "bob.key"
    path.write_text(private_key("bob").reveal())
    public = up.wig("peer", "create", wg, "--endpoint", "x").err.split()[-1]

    done = up.wig("peer", "config", public, "--private-key-file", str(path), "--endpoint", "x")

    assert (done.code, done.out) == (1, "")
    assert "is not the private key of" in done.err


def test_split_tunnel_sends_only_the_vpns_own_addresses(up, wg):
    """The client's other traffic stays where it was."""
    done = up.wig("peer", "create", wg, "--endpoint", "x", "--split-tunnel")

    line = next(line for line in done.out.splitlines() if line.startswith("AllowedIPs"))
    assert line.startswith("AllowedIPs = 10.")
    assert line.endswith("::/64")


def test_a_qr_code_is_drawn(up, wg):
    """A phone scans it; the text is not printed beside it."""
    done = up.wig("peer", "create", wg, "--endpoint", "x", "--qr")

    assert done.code == 0
    assert "PrivateKey" not in done.out
    assert "█" in done.out or "▀" in done.out


def test_a_request_id_makes_a_repeat_safe(wig, wg):
    """The same request has the outcome of the first, even after the peer changed."""
    words = ("peer", "create", wg, "--public-key", key("once"), "--request", "once-1")

    first = wig(*words)
    wig("peer", "update", key("once"), "--name", "changed")
    second = wig(*words)

    assert second == first


def test_a_long_list_is_one_document(up, wig, wg):
    """More peers than fit into a page are still one valid list, by key."""
    lines = "".join(json.dumps({"public_key": key(("page", n))}) + "\n" for n in range(2500))
    # 2,500 peers do not fit into a /24.
    wig("interface", "update", wg, "--address", "10.100.0.1/16")
    wig("peer", "import", "-", "--interface", wg, stdin=lines)

    listed = [peer["public_key"] for peer in wig("peer", "list", "--interface", wg)["peers"]]
    limited = wig("peer", "list", "--interface", wg, "--limit", "1001")["peers"]
    table = up.wig("peer", "list", "--interface", wg).out.splitlines()

    assert len(listed) == 2500
    assert listed == sorted(listed)
    assert [peer["public_key"] for peer in limited] == listed[:1001]
    assert len(table) == 2501


# -- tokens


def test_a_token_lives(up, wig, tmp_path):
    """The secret is shown once, or is in a private file; the server keeps its digest only."""
    path = tmp_path / "gw1.json"
    printed = up.wig("token", "create", "observer1", "--role", "observer").document
    wig("token", "create", "gw1", "--role", "gateway", "--out", str(path))
    listed = up.wig("token", "list", "--output", "json")
    wig("token", "delete", "gw1")
    left = {token["id"] for token in wig("token", "list")["tokens"]}

    written = json.loads(path.read_text())
    assert (printed["id"], written["id"]) == ("observer1", "gw1")
    assert path.stat().st_mode & 0o777 == 0o600
    assert printed["secret"] not in listed.out
    assert written["secret"] not in listed.out
    assert left == {"admin", "observer1"}


# -- the log, and the nodes


def test_the_log_tells_who_did_what(wig, wg):
    """Each change is an entry with its actor, its time and the object."""
    wig("peer", "create", wg, "--public-key", key("log"))

    entries = wig("log", "show", "--after", "0")["entries"]

    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
    assert entries[-1]["op"]["do"] == "peer.create"
    assert entries[-1]["op"]["peer"]["public_key"] == key("log")
    assert entries[-1]["actor"]


def test_the_log_shows_no_secret(up, wig, wg, tmp_path):
    """Private keys are in the log, because gateways need them, but not in what it shows."""
    path = tmp_path / "key"
    path.write_text(private_key("logged").reveal())
    wig("interface", "update", wg, "--private-key-file", str(path))

    printed = up.wig("log", "show", "--output", "json").out

    assert private_key("logged").reveal() not in printed


def test_the_log_is_sound(wig, wg):
    """The chain is checked from its beginning, over the bus."""
    found = wig("log", "verify")

    assert wg
    assert found["entries"] == found["seq"] > 0


def test_the_tail_of_the_log(up, wg):
    """The last entries, and only those."""
    done = up.wig("log", "tail", "-n", "1", "--no-follow")

    assert wg
    assert len(done.out.splitlines()) == 2
    assert "interface.create" in done.out


def test_status_shows_the_primary(up, wig):
    """Everything runs, nothing is behind."""
    nodes = wig("status")["nodes"]

    assert [(node["name"], node["role"], node["lag_entries"]) for node in nodes] == [
        ("primary", "primary", 0)
    ]
    assert "primary" in up.wig("status").out


def test_a_rate_limit_is_shown_as_people_write_it(up, wig, wg):
    """For programs it is a number."""
    wig("peer", "create", wg, "--public-key", key("slow"), "--rate-limit", "2.5M")

    assert "rate_limit         2500kbit/s" in up.wig("peer", "show", key("slow")).out
    assert wig("peer", "show", key("slow"))["peer"]["rate_limit"] == 2_500_000
