"""A process that loads many peers, and says what it cost. Run by `test_datastore_scale.py`.

    python -m tests.integration.many_peers FOLDER PEERS

Prints one JSON object: seconds, and the memory in MiB that was used at most.
"""

import base64
import json
import math
import random
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from tests import builders, datastores
from wig import log, sqlite
from wig.model import Object


def keys(count: int) -> list[str]:
    """Return random keys in order."""
    generator = random.Random(count)
    return sorted(base64.b64encode(generator.randbytes(32)).decode() for _ in range(count))


def objects(public_keys: list[str]) -> Iterator[Object]:
    """Yield an interface and its peers in the order of a snapshot, with shuffled addresses."""
    yield builders.interface(addresses=("10.0.0.1/8", "fd00::1/64"), revision="e1:1")
    count = len(public_keys)
    step = next(each for each in range(count * 2 // 3, count) if math.gcd(each, count) == 1)
    for number, public_key in enumerate(public_keys):
        host = 2 + number * step % count
        yield builders.peer(
            public_key=public_key,
            ip=f"10.{host >> 16}.{host >> 8 & 255}.{host & 255}",
            ip6=f"fd00::{host:x}" if host < 0x10000 else f"fd00::{host >> 16:x}:{host & 0xFFFF:x}",
            revision=f"e1:{number}",
        )


def memory_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(folder: Path, count: int) -> None:
    """Load, read, snapshot, list."""
    public_keys = keys(count)
    total = 0
    for thing in objects(public_keys):
        total = log.state_digest_add(total, log.object_digest(thing))
    header = replace(
        datastores.header([]),
        position=log.Position(epoch="e1", seq=count + 1, digest="ab" * 32),
        state_digest=log.state_digest_text(total),
        objects=count + 1,
    )
    figures = {"memory_before_mib": memory_mib()}
    sqlite.init_empty(folder / "wig.db")
    with sqlite.Datastore.open(folder / "wig.db") as datastore:
        start = time.perf_counter()
        datastore.load(header, objects(public_keys))
        figures["load_s"] = time.perf_counter() - start
        with datastore.reader() as reader:
            figures |= reading(reader, random.Random(1).sample(public_keys, 200))
    figures["memory_mib"] = memory_mib()
    print(json.dumps(figures))


def reading(reader: sqlite.Reader, some: list[str]) -> dict[str, float]:
    """Return seconds: of a snapshot, and the slowest of some single peers and pages."""
    start = time.perf_counter()
    with reader.snapshot() as (_, found):
        assert sum(1 for _ in found) == reader.counts().peers + 1
    figures = {"snapshot_s": time.perf_counter() - start}
    single, pages = [], []
    for public_key in some:
        start = time.perf_counter()
        assert reader.peer(public_key) is not None
        single.append(time.perf_counter() - start)
        start = time.perf_counter()
        reader.peers(public_key, 100, "wg0")
        pages.append(time.perf_counter() - start)
    return figures | {"peer_s": sorted(single)[-10], "page_s": sorted(pages)[-10]}


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
