"""Metrics of a gateway, but for those of its peers (`metrics_peers`). Called by `gateway_node`."""

from collections.abc import Iterator, Mapping
from typing import Protocol

from bridge.gateway_watch import Watch
from bridge.metrics import COUNTER, GAUGE, Family, Measured
from bridge.readings import Reading
from bridge.statistics import Statistics

INTERFACE = ("interface",)

PEERS = Family("wig_interface_peers", GAUGE, "Peers on the device.", INTERFACE)
CONNECTED = Family(
    "wig_interface_connected_peers", GAUGE,
    "Peers with a handshake that is young enough for packets to pass (180 s).", INTERFACE,
)  # fmt: skip
RECEIVED = Family(
    "wig_interface_receive_bytes_total", COUNTER,
    "Received from all peers, those that are deleted by now as well; by the link's own counter.",
    INTERFACE,
)  # fmt: skip
SENT = Family(
    "wig_interface_transmit_bytes_total", COUNTER,
    "Sent to all peers, those that are deleted by now as well; by the link's own counter.",
    INTERFACE,
)  # fmt: skip
DRAINING = Family("wig_draining", GAUGE, "Whether the gateway is drained: 1 or 0.")
QUARANTINE = Family(
    "wig_quarantined_objects", GAUGE,
    "Objects that are not on the host as they should be, by kind.", ("kind",),
)  # fmt: skip
DRIFT = Family(
    "wig_drift_total", COUNTER, "Differences between host and plan that audits found.", ("kind",)
)
AUDIT = Family("wig_audit_seconds", GAUGE, "Time that the last audit took, planning included.")
READ = Family("wig_device_read_seconds", GAUGE, "Time that the last reading of all peers took.")
ENDPOINT_AGE = Family(
    "wig_oldest_endpoint_age_seconds", GAUGE,
    "How long the client that is idle for longest, and whose address the device still knows, is.",
)  # fmt: skip
WIPED = Family(
    "wig_endpoints_wiped_total", COUNTER, "Addresses of idle clients that the device forgot."
)
REPORTS_WAITING = Family(
    "wig_statistics_waiting_reports", GAUGE, "Reports of statistics that no stream has taken yet."
)
SAMPLES_WAITING = Family(
    "wig_statistics_waiting_samples", GAUGE, "Samples of peers in reports that wait."
)
REPORTS_SENT = Family(
    "wig_statistics_sent_reports_total", COUNTER, "Reports of statistics that the stream has taken."
)
REPORTS_MERGED = Family(
    "wig_statistics_merged_reports_total", COUNTER,
    "Reports that became part of a later one, for want of room: their counters are not lost.",
)  # fmt: skip
REPORT_FAILURES = Family(
    "wig_statistics_failures_total", COUNTER, "Attempts to send a report that failed."
)
FAMILIES = (
    PEERS, CONNECTED, RECEIVED, SENT, DRAINING, QUARANTINE, DRIFT, AUDIT, READ, ENDPOINT_AGE, WIPED,
    REPORTS_WAITING, SAMPLES_WAITING, REPORTS_SENT, REPORTS_MERGED, REPORT_FAILURES,
)  # fmt: skip


class Traffic(Protocol):
    """What the link of an interface has counted (`wig.linux.traffic`)."""

    @property
    def received_bytes(self) -> int:
        """From the peers."""

    @property
    def sent_bytes(self) -> int:
        """To the peers."""


class Audited(Protocol):
    """The last audit (`wig.linux.sink.Audit`)."""

    @property
    def took_s(self) -> float:
        """How long it took."""


class Care(Protocol):
    """What a gateway's host does besides following (`wig.linux.gateway.Gateway`)."""

    @property
    def drift(self) -> Mapping[str, int]:
        """How many differences audits have found, by kind."""

    @property
    def last_audit(self) -> Audited | None:
        """The last audit; None: there was none yet."""

    @property
    def endpoints_wiped(self) -> int:
        """How many addresses of idle clients the devices forgot."""

    @property
    def endpoint_age_s(self) -> float | None:
        """How long the client that is idle for longest, and not forgotten yet, has been idle."""

    def traffic(self) -> Mapping[str, Traffic]:
        """Return what the links of this host have counted."""


def collect(care: Care, watch: Watch, reading: Reading | None) -> Iterator[Measured]:
    """Yield the values of one gateway."""
    if reading is not None:
        yield from _interfaces(reading, care.traffic())
        yield READ.of(reading.took_s)
    yield DRAINING.of(watch.draining.on)
    for kind, count in watch.kinds().items():
        yield QUARANTINE.of(count, kind)
    for kind, count in care.drift.items():
        yield DRIFT.of(count, kind)
    if care.last_audit is not None:
        yield AUDIT.of(care.last_audit.took_s)
    if (age_s := care.endpoint_age_s) is not None:
        yield ENDPOINT_AGE.of(age_s)
    yield WIPED.of(care.endpoints_wiped)


def _interfaces(reading: Reading, traffic: Mapping[str, Traffic]) -> Iterator[Measured]:
    for name, columns in reading.interfaces.items():
        yield PEERS.of(len(columns.keys), name)
        yield CONNECTED.of(reading.connected[name], name)
        if (counted := traffic.get(name)) is not None:
            yield RECEIVED.of(counted.received_bytes, name)
            yield SENT.of(counted.sent_bytes, name)


def reports(it: Statistics) -> Iterator[Measured]:
    """Yield the values of a gateway's reports of statistics."""
    yield REPORTS_WAITING.of(it.waiting)
    yield SAMPLES_WAITING.of(it.waiting_samples)
    yield REPORTS_SENT.of(it.sent)
    yield REPORTS_MERGED.of(it.merged)
    yield REPORT_FAILURES.of(it.failures)
