"""Files of peers through the whole path: batches, mistakes, interruptions, and back out again."""

import json
import re
import signal
import subprocess

import pytest

from tests.builders import entropy, key
from tests.eventually import eventually_sync
from tests.program import Up, running
from wig import x25519
from wig_cli.peer_verbs import PAGE_PEERS

MANY = 25_000


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    """A primary without gateway."""
    with Up(tmp_path_factory.mktemp("up") / "state", "--no-gateway", "--no-interface") as running:
        yield running


@pytest.fixture
def wg(up):
    """An empty interface with room for everybody."""
    pools = ("--address", "10.0.0.1/8", "--address", "fd00::1/64")
    assert up.wig("interface", "create", "wg0", *pools).code == 0
    yield "wg0"
    assert up.wig("interface", "delete", "wg0", "--with-peers").code == 0


def lines(numbers, **fields):
    return "".join(json.dumps({"public_key": key(n)} | fields) + "\n" for n in numbers)


def peers(up):
    return up.wig("peer", "list", "--output", "json").document["peers"]


def test_many_peers_arrive_in_several_commands(up, wg, tmp_path):
    """All are there afterwards, each with an address of its own."""
    path = tmp_path / "peers.jsonl"
    path.write_text(lines(range(MANY)))

    done = up.wig("peer", "import", str(path), "--interface", wg, "--output", "json")

    assert (done.code, done.document) == (0, {"created": MANY, "unchanged": 0})
    assert len({peer["ip"] for peer in peers(up)}) == MANY


def test_a_repeat_changes_nothing(up, wg):
    """Running an import again is always safe."""
    text = lines(range(100))
    up.wig("peer", "import", "-", "--interface", wg, stdin=text)
    before = peers(up)

    done = up.wig("peer", "import", "-", "--interface", wg, "--output", "json", stdin=text)

    assert done.document == {"created": 0, "unchanged": 100}
    assert peers(up) == before


def test_peers_that_were_deleted_come_back(up, wg):
    """The same file means the same peers, also after they were deleted."""
    up.wig("peer", "import", "-", "--interface", wg, stdin=lines([1]))
    up.wig("peer", "delete", key(1))

    up.wig("peer", "import", "-", "--interface", wg, stdin=lines([1]))

    assert [peer["public_key"] for peer in peers(up)] == [key(1)]


BAD_LINES = [
    pytest.param("nonsense", "line 10501: JSON is malformed", id="no JSON"),
    pytest.param('{"public_key":"AAAA"}', "line 10501: public_key: 'AAAA' is not a key", id="key"),
    pytest.param(
        json.dumps({"public_key": key("x"), "ip": "192.168.0.1"}),
        "line 10501: ip: '192.168.0.1' is outside", id="outside the pool",
    ),
    pytest.param(
        json.dumps({"public_key": key(10_400)}), "line 10501: public_key: ", id="key twice"
    ),
    pytest.param(
        json.dumps({"public_key": key("x"), "ip": "10.0.0.1"}),
        "line 10501: ip: '10.0.0.1'", id="the interface's own address",
    ),
    pytest.param(
        json.dumps({"public_key": key("x"), "expire": "2020-01-01T00:00:00Z"}),
        "line 10501: expire: ", id="expired",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("bad", "message"), BAD_LINES)
def test_a_bad_line_in_the_middle_stops_its_batch(up, wg, tmp_path, bad, message):
    """The line is named, nothing of its batch is imported, and a correction resumes there."""
    path = tmp_path / "peers.jsonl"
    good = lines(range(10_500)), lines(range(10_500, 12_000))
    path.write_text(good[0] + bad + "\n" + good[1])

    done = up.wig("peer", "import", str(path), "--interface", wg)
    imported = len(peers(up))
    path.write_text(good[0] + lines(["corrected"]) + good[1])
    resumed = up.wig(
        "peer", "import", str(path), "--interface", wg, "--from-line", "10001", "--output", "json"
    )

    first, second = done.err.splitlines()[-2:]
    assert done.code == 1
    assert first.startswith(f"wig: {message}")
    assert second.endswith("--from-line 10001")
    assert imported == 10_000
    assert resumed.document == {"created": 2001, "unchanged": 0}


def test_a_dry_run_checks_and_changes_nothing(up, wg):
    """Mistakes that need no state are found without importing anything."""
    words = ("peer", "import", "-", "--interface", wg, "--dry-run")

    good = up.wig(*words, "--output", "json", stdin=lines(range(10)))
    bad = up.wig(*words, stdin=lines(range(10)) + "{}\n")

    assert good.document == {"checked": 10}
    assert (bad.code, bad.err.splitlines()[0][:21]) == (1, "wig: line 11: public_")
    assert peers(up) == []


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_what_is_exported_can_be_imported(up, wg, form):
    """Export, delete everything, import: the same peers at the same addresses."""
    secret = x25519.preshared_key(entropy(1)).reveal()
    text = (
        lines([1], name='a "quoted", name', description="ä; ö")
        + lines([2], ip=None, enabled=False, expire="2099-01-01T00:00:00Z")
        + lines([3], ip="10.9.0.8/29", ip6=None, preshared_key=secret)
        + lines([4], ip="192.168.7.7", outside_pool=True, rate_limit=1_500_000)
    )
    assert up.wig("peer", "import", "-", "--interface", wg, stdin=text).code == 0
    before = [without_history(peer) for peer in peers(up)]

    exported = up.wig("peer", "export", "--secrets", "--format", form)
    for peer in before:
        up.wig("peer", "delete", peer["public_key"])
    done = up.wig("peer", "import", "-", "--format", form, stdin=exported.out)

    assert (done.code, exported.err) == (0, "")
    assert [without_history(peer) for peer in peers(up)] == before
    assert up.wig("peer", "export", "--secrets", "--format", form).out == exported.out


def without_history(peer):
    return {name: value for name, value in peer.items() if name not in {"created", "revision"}}


def test_secrets_are_exported_only_when_asked_for(up, wg):
    """A list of peers can be given to somebody who may not have their keys."""
    secret = x25519.preshared_key(entropy(1)).reveal()
    up.wig("peer", "import", "-", "--interface", wg, stdin=lines([1], preshared_key=secret))

    assert secret not in up.wig("peer", "export").out
    assert secret in up.wig("peer", "export", "--secrets").out


def test_ctrl_c_says_where_to_resume(up, wg, tmp_path):
    """An import from a pipe that is still open can be interrupted; what arrived stays."""
    words = ("peer", "import", "-", "--interface", wg)
    pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE}
    with running(up.state_dir, *words, **pipes) as process:
        process.stdin.write(lines(range(10_001)).encode())
        process.stdin.flush()
        eventually_sync(lambda: len(peers(up)) == 10_000, "the first batch is imported", 30)

        process.send_signal(signal.SIGINT)
        code, text = process.wait(10), process.stderr.read().decode()

    assert code == 130
    assert text == "interrupted; resume with --from-line 10001\n"


def test_an_interface_with_many_peers_is_deleted_in_parts(up, wg):
    """Others need not wait for all of it; a repeat is told the same in the end."""
    up.wig("peer", "import", "-", "--interface", wg, stdin=lines(range(10_500)))
    words = ("interface", "delete", wg, "--with-peers", "--request", "r1", "--output", "json")
    (primary,) = up.wig("status", "--output", "json").document["nodes"]

    done = up.wig(*words)

    assert done.document == {"deleted": {"interfaces": 1, "peers": 10_500, "tokens": 0}}
    assert len(requests(up, primary["head"])) == 12
    assert up.wig(*words).document["deleted"]["interfaces"] == 1
    pools = ("--address", "10.0.0.1/8", "--address", "fd00::1/64")
    assert up.wig("interface", "create", wg, *pools).code == 0


def requests(up, after):
    """Return the requests that the log's entries after a sequence came from."""
    entries = up.wig("log", "show", "--after", str(after), "--output", "json").document["entries"]
    return {entry["request"] for entry in entries}


def test_deleting_many_peers_can_be_interrupted(up, wg):
    """What is deleted is told, and the same command goes on."""
    up.wig("peer", "import", "-", "--interface", wg, stdin=lines(range(MANY)))
    words = ("interface", "delete", wg, "--with-peers")
    first = up.wig("peer", "list", "--limit", "1").out
    with running(up.state_dir, *words, stderr=subprocess.PIPE) as process:
        eventually_sync(lambda: up.wig("peer", "list", "--limit", "1").out != first, "a begin")
        process.send_signal(signal.SIGINT)
        code, text = process.wait(10), process.stderr.read().decode()
    deleted = MANY - len(peers(up))

    assert code == 130
    told = re.fullmatch(
        "interrupted: at least ([0-9,]+) peers are deleted; the same command goes on\n", text
    )
    assert told is not None
    # What it had asked for last may have been done as well.
    assert deleted - int(told[1].replace(",", "")) in {0, PAGE_PEERS}
    assert up.wig("interface", "list").out.startswith("name")
