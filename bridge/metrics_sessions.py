"""Metrics of the process that finds sessions. Called by `sessions`."""

from collections.abc import Iterator
from typing import Protocol

from bridge.metrics import COUNTER, GAUGE, Family, Measured
from bridge.session_book import Book
from bridge.session_edges import Edges
from bridge.session_reports import Reports

OPEN = Family("wig_open_sessions", GAUGE, "Sessions that are not over.")
PEERS = Family("wig_seen_peers", GAUGE, "Peers that have ever given a sign of life.")
REPORTS = Family(
    "wig_reports_total", COUNTER,
    "Reports of gateways: learned (something), repeated, or refused (not understood).", ("result",),
)  # fmt: skip
SAMPLES = Family("wig_report_samples_total", COUNTER, "Samples of peers in reports.")
MISSED = Family("wig_reports_missed_total", COUNTER, "Numbers of reports that never came.")
WAITING = Family("wig_reports_waiting", GAUGE, "Reports that have come and are not learned from.")
EDGES = Family("wig_session_edges_total", COUNTER, "Begins and ends of sessions, ever.")
EDGES_WAITING = Family(
    "wig_session_edges_waiting", GAUGE, "Begins and ends that are not in their stream yet."
)
FAMILIES = (OPEN, PEERS, REPORTS, SAMPLES, MISSED, WAITING, EDGES, EDGES_WAITING)


class Keeper(Protocol):
    """The parts of the process (`sessions.Keeper`)."""

    @property
    def book(self) -> Book:
        """What is known; it counts in its own thread, one step at a time."""

    @property
    def reports(self) -> Reports:
        """What comes in."""

    @property
    def edges(self) -> Edges:
        """What goes out."""


def collect(keeper: Keeper) -> Iterator[Measured]:
    """Yield the values."""
    book, reports, edges = keeper.book, keeper.reports, keeper.edges
    yield OPEN.of(book.sessions.open)
    yield PEERS.of(book.sessions.known)
    yield REPORTS.of(book.reports, "learned")
    yield REPORTS.of(book.repeated, "repeated")
    yield REPORTS.of(book.refused, "refused")
    yield SAMPLES.of(book.samples)
    yield MISSED.of(book.sessions.missed_reports)
    yield WAITING.of(reports.waiting)
    yield EDGES.of(edges.last)
    yield EDGES_WAITING.of(max(0, edges.last - edges.published))
