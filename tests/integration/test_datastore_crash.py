"""A datastore whose process dies between any two steps, and at random moments."""

import itertools
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests import builders, datastores
from tests.builders import create_interface, create_peer, key
from tests.integration import crashing
from wig import log, sqlite
from wig.sqlite import crash

ROOT = Path(__file__).parents[2]
SIGKILL = -9
OCCURRENCES = {
    "commit: decided": (1, 7, 33),
    "commit: state changed": (1, 7, 33),
    "commit: outcome noted": (1, 5, 11),
}
"""Points that are passed once per op or command, not once per group."""


def run(*words):
    """Return exit code and lines of a crashing process."""
    process = subprocess.run(
        [sys.executable, "-m", "tests.integration.crashing", *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert process.stderr == ""
    return process.returncode, process.stdout.splitlines()


@pytest.fixture
def path(tmp_path):
    """A primary's database with one token."""
    datastores.make(tmp_path / "wig.db").close()
    return tmp_path / "wig.db"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What the same commands lead to when nothing happens."""
    path = tmp_path_factory.mktemp("undisturbed") / "wig.db"
    datastores.make(path).close()
    assert run("commit", path)[0] == 0
    with sqlite.Datastore.open(path) as datastore:
        yield datastore


def repeat(datastore):
    """Send everything again, as clients do that heard nothing."""
    return [
        outcome
        for group in crashing.requests()
        for outcome in datastore.commit(group, builders.NOON)
    ]


PLACES = [
    pytest.param(point, occurrence, id=f"{point.removeprefix('commit: ')}, {occurrence}")
    for point in crash.POINTS
    for occurrence in OCCURRENCES.get(point, (1, 2, 4))
]


@pytest.mark.parametrize(("point", "occurrence"), PLACES)
def test_a_crash_between_two_steps_loses_and_repeats_nothing(path, undisturbed, point, occurrence):
    """Invariant 3: acknowledged is there; a retry finishes the rest and reports the truth."""
    code, lines = run("commit", path, point, occurrence)
    acknowledged = dict(line.split(" ", 1) for line in lines)

    assert code == SIGKILL
    sqlite.verify(path)
    with sqlite.Datastore.open(path) as datastore:
        outcomes = repeat(datastore)
        for number, reply in acknowledged.items():
            assert outcomes[int(number)].repeated
            assert outcomes[int(number)].reply.decode() == reply
        assert datastores.contents(datastore) == datastores.contents(undisturbed)
        assert datastore.records(0, 1000) == undisturbed.records(0, 1000)
    sqlite.verify(path)


def test_the_commands_pass_every_point(path):
    """So that the test above dies where it says."""
    passed = set()
    crash.install(passed.add)
    try:
        with sqlite.Datastore.open(path) as datastore:
            repeat(datastore)
    finally:
        crash.install(None)

    assert passed == set(crash.POINTS)


@pytest.fixture
def follower(tmp_path, undisturbed):
    """A follower at the first entry, beside a copy of its upstream."""
    sqlite.backup(undisturbed.path, tmp_path / "up.db")
    sqlite.init_empty(tmp_path / "down.db")
    first = undisturbed.records(0, 1)[0]
    epoch = undisturbed.position().epoch
    token = builders.token(revision=f"{epoch}:1")
    header = datastores.header(
        [token],
        database=undisturbed.database,
        lineage=undisturbed.lineage,
        position=log.Position(epoch=epoch, seq=1, digest=first.digest.hex()),
    )
    with sqlite.Datastore.open(tmp_path / "down.db") as down:
        down.load(header, [token])
    return tmp_path / "down.db"


@pytest.mark.parametrize("occurrence", [1, 5])
@pytest.mark.parametrize("point", ["peers written", "entries written", "position written"])
def test_a_follower_that_dies_goes_on_where_it_was(follower, undisturbed, point, occurrence):
    """What it confirmed is there, and the rest is applied once."""
    code, lines = run("follow", follower, f"commit: {point}", occurrence)
    confirmed = int(lines[-1]) if lines else 1

    assert code == SIGKILL
    with sqlite.Datastore.open(follower) as datastore:
        assert datastore.position().seq == confirmed
    assert run("follow", follower)[0] == 0
    with sqlite.Datastore.open(follower) as datastore:
        assert datastores.contents(datastore) == datastores.contents(undisturbed)
    sqlite.verify(follower)


@pytest.mark.parametrize("point", crash.LOAD_POINTS)
def test_a_snapshot_that_was_half_loaded_was_not_loaded(follower, undisturbed, point):
    """All of it or nothing; and the next attempt succeeds."""
    before = sqlite.verify(follower)

    assert run("load", follower, point, 1)[0] == SIGKILL

    after = sqlite.verify(follower)
    assert (after.position, after.tokens, after.peers) == (before.position, 1, 0)
    assert run("load", follower)[0] == 0
    with sqlite.Datastore.open(follower) as datastore:
        assert datastores.contents(datastore) == datastores.contents(undisturbed)
    sqlite.verify(follower)


def kill_at_random(path, rounds):
    """Kill a writing process `rounds` times; return the peers that were acknowledged."""
    generator = random.Random(rounds)
    acknowledged = []
    for _ in range(rounds):
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.crashing", "flood", str(path)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            groups = itertools.islice(process.stdout, generator.randint(1, 40))
            heard = list(groups)
            process.kill()
            heard += process.stdout.read().splitlines(keepends=True)
        assert process.returncode == SIGKILL
        whole = [line for line in heard if line.endswith("\n")]
        acknowledged += [int(number) for line in whole for number in line.split()]
        sqlite.verify(path)
    return acknowledged


def check_flooded(path, rounds):
    datastores.make(path, create_interface(addresses=("10.0.0.1/8", "fd00::1/64"))).close()

    acknowledged = kill_at_random(path, rounds)

    with sqlite.Datastore.open(path) as datastore:
        for number in acknowledged:
            request = datastores.request(create_peer(number), f"flood-{number}")
            (outcome,) = datastore.commit([request], builders.NOON)
            assert outcome.repeated
        with datastore.reader() as reader:
            assert all(reader.peer(key(number)) for number in acknowledged)
            assert len(acknowledged) <= reader.counts().peers <= len(acknowledged) + 10 * rounds


def test_a_datastore_survives_being_killed_at_any_moment(tmp_path):
    """Ten times, with thousands of peers."""
    check_flooded(tmp_path / "wig.db", 10)


@pytest.mark.torture
def test_a_datastore_survives_being_killed_very_often_torture(tmp_path):
    """The same, three hundred times."""
    check_flooded(tmp_path / "wig.db", 300)


def test_a_disk_that_is_full_for_a_while_loses_nothing(tmp_path):
    """The limit is on the file's size, so that writes of the WAL fail, at COMMIT or before."""
    datastores.make(tmp_path / "wig.db", create_interface()).close()

    code, lines = run("fill", tmp_path / "wig.db")

    assert code == 0
    assert set(lines) == {"ok", "unavailable"}
    report = sqlite.verify(tmp_path / "wig.db")
    assert (report.peers, report.requests) == (200, 10)
