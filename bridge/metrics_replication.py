"""Metrics of where a node is, and how it follows. Called for gateways and datastores alike."""

from collections.abc import Iterator

from bridge.connection import Connection
from bridge.follower import Follower
from bridge.health import Lags
from bridge.metrics import COUNTER, GAUGE, HISTOGRAM, Family, Measured
from bridge.source import Me
from wig.log import Position

NODE = ("node", "role")

BUS = Family("wig_bus_up", GAUGE, "Whether the node is connected to its nats-server.", NODE)
POSITION = Family("wig_position_seq", GAUGE, "The last entry of the log that the node has.", NODE)
EPOCH = Family(
    "wig_position_info", GAUGE, "Always 1; the epoch of the node's position.", (*NODE, "epoch")
)
HEAD = Family(
    "wig_head_seq", GAUGE, "The last entry of the primary's log, as far as the node knows.", NODE
)
LAG = Family("wig_lag_entries", GAUGE, "Entries that the node lacks, as far as it knows.", NODE)
LAG_S = Family("wig_lag_seconds", GAUGE, "For how long it has lacked some; 0: it does not.", NODE)
ROOT_AGE = Family(
    "wig_root_age_seconds", GAUGE, "How old the node's knowledge of the primary is.", NODE
)
PROBLEMS = Family(
    "wig_status_problems", GAUGE, "Problems that `wig status` shows of the node.", NODE
)
ENTRIES = Family("wig_applied_entries_total", COUNTER, "Entries applied from upstream.", NODE)
APPLY = Family(
    "wig_apply_seconds", HISTOGRAM,
    "Time to apply entries that came together: to the database, or planned and on the devices.",
    NODE,
)  # fmt: skip
SNAPSHOTS = Family("wig_snapshot_loads_total", COUNTER, "Snapshots loaded from upstream.", NODE)
LOAD = Family("wig_snapshot_load_seconds", GAUGE, "Time that the last snapshot took.", NODE)
FAILURES = Family(
    "wig_apply_failures_total", COUNTER, "Entries and snapshots that could not be applied.", NODE
)
FAMILIES = (
    BUS, PROBLEMS, POSITION, EPOCH, HEAD, LAG, LAG_S, ROOT_AGE, ENTRIES, APPLY, SNAPSHOTS, LOAD,
    FAILURES,
)  # fmt: skip


def position(me: Me, bus: Connection, at: Position | None, problems: int) -> Iterator[Measured]:
    """Yield where a node is, and how many `problems` it has."""
    node = me.node, me.role
    yield PROBLEMS.of(problems, *node)
    yield BUS.of(bus.up, *node)
    yield POSITION.of(at.seq if at else 0, *node)
    if at is not None:
        yield EPOCH.of(1, *node, at.epoch)


def following(me: Me, follower: Follower, lags: Lags) -> Iterator[Measured]:
    """Yield how a node follows."""
    node = me.node, me.role
    root, lag, work = follower.root(), lags.lag(), follower.work
    if root is not None and lag is not None:
        yield HEAD.of(root.seq, *node)
        yield LAG.of(lag.entries, *node)
        yield LAG_S.of(lag.seconds, *node)
        yield ROOT_AGE.of(root.age_s, *node)
    yield ENTRIES.of(work.entries, *node)
    yield APPLY.of(work.apply_s, *node)
    yield SNAPSHOTS.of(work.snapshots, *node)
    yield LOAD.of(work.load_s, *node)
    yield FAILURES.of(work.failures, *node)
