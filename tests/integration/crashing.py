"""A process that writes to a datastore until it dies. Run by `test_datastore_crash.py`.

    python -m tests.integration.crashing MODE DB POINT OCCURRENCE

It kills itself with SIGKILL when it passes POINT for the OCCURRENCE-th time. It prints a line for
each request that it would have acknowledged: number, space, the whole reply.
"""

import os
import resource
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests import builders, datastores
from tests.builders import create_interface, create_peer, delete_peer, key, spec
from wig import sqlite
from wig.commands import AnyCommand, DeleteInterface, ImportPeers, UpdatePeer
from wig.sqlite import crash


def groups() -> list[list[AnyCommand]]:
    """Return what is committed together, one group after the other; every kind of command."""
    return [
        [create_interface(), create_interface("wg1", port=1, addresses=("10.1.0.1/24",))],
        [
            create_peer(1),
            create_peer(1, ip="10.0.0.99"),  # refused: it is there, with another address
            ImportPeers(peers=tuple(spec(n) for n in range(2, 30))),
            ImportPeers(peers=(spec(30), spec(31, interface="nope"))),  # undone
            create_peer(32),
        ],
        [UpdatePeer(public_key=key(1), ip="10.0.0.128/30"), delete_peer(5), create_peer(33)],
        [
            ImportPeers(peers=tuple(spec(n, interface="wg1") for n in range(40, 50))),
            DeleteInterface(name="wg1", with_peers=True),
        ],
    ]


def requests() -> Iterator[list[sqlite.Request]]:
    """Yield the groups as requests with ids that a retry would repeat."""
    number = 0
    for group in groups():
        yield [
            datastores.request(command, f"request-{number + index}")
            for index, command in enumerate(group)
        ]
        number += len(group)


def die_at(point: str, occurrence: int) -> None:
    """End this process like a power button would, when it gets there."""
    passed: Counter[str] = Counter()

    def hook(name: str) -> None:
        passed[name] += 1
        if name == point and passed[name] == occurrence:
            os.kill(os.getpid(), signal.SIGKILL)

    crash.install(hook)


def commit(path: Path) -> None:
    """Commit all groups, and print what may be acknowledged."""
    with sqlite.Datastore.open(path) as datastore:
        number = 0
        for group in requests():
            for outcome in datastore.commit(group, builders.NOON):
                print(number, outcome.reply.decode(), flush=True)
                number += 1


def follow(path: Path) -> None:
    """Apply the log of the database beside this one, in batches of three."""
    with sqlite.Datastore.open(path) as datastore, sqlite.Reader(path.with_name("up.db")) as up:
        while records := up.records(datastore.position().seq, 3):
            datastore.apply(datastore.position().epoch, records)
            print(records[-1].seq, flush=True)


def load(path: Path) -> None:
    """Load the snapshot of the database beside this one."""
    with sqlite.Datastore.open(path) as datastore, sqlite.Reader(path.with_name("up.db")) as up:
        with up.snapshot() as (header, objects):
            datastore.load(header, objects, replace=True)
        print(header.position.seq, flush=True)


def flood(path: Path) -> None:
    """Commit groups of ten new peers until somebody kills this process."""
    with sqlite.Datastore.open(path) as datastore:
        number = datastore.position().seq * 100
        while True:
            ids = range(number, number + 10)
            group = [datastores.request(create_peer(n), f"flood-{n}") for n in ids]
            datastore.commit(group, builders.NOON)
            print(*ids, flush=True)
            number += 10


def fill(path: Path) -> None:
    """Import until the file system says no, go on all the same, then repeat with room again.

    The limit is on the size of a file: the write of a WAL fails at COMMIT, or before.
    """
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    with sqlite.Datastore.open(path) as datastore:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, most))
        for number, command in enumerate(imports()):
            (reply,) = datastores.commit(datastore, datastores.request(command, f"r{number}"))
            print(reply["error"]["code"] if "error" in reply else "ok")
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        for number, command in enumerate(imports()):
            datastores.ask(datastore, command, f"r{number}")


def imports() -> Iterator[ImportPeers]:
    """Yield ten imports of twenty peers."""
    for start in range(0, 200, 20):
        yield ImportPeers(peers=tuple(spec(n) for n in range(start, start + 20)))


if __name__ == "__main__":
    mode, name, *rest = sys.argv[1:]
    if rest:
        die_at(rest[0], int(rest[1]))
    modes = {"commit": commit, "follow": follow, "load": load, "flood": flood, "fill": fill}
    modes[mode](Path(name))
