"""What a `Sessions` says happened, in memory: for tests that need no database."""

from dataclasses import dataclass

from tests.reports import START
from wig.session_changes import BEGIN, REASONS
from wig.sessions import Sessions, Settings


@dataclass
class Told:
    """One session; times are seconds after `START`."""

    peer: str
    begin: int
    gateways: str
    end: int | None = None
    reason: str | None = None
    received: int = 0
    sent: int = 0
    country: str = ""


class Log:
    """Sessions by number, from the changes of an observer."""

    def __init__(self, inactivity_s=600, silence_s=600):
        self.observer = Sessions(Settings(inactivity_s=inactivity_s, silence_s=silence_s))
        self.sessions = {}
        self.edges = []

    def hear(self, *reports, at=None, age_s=None):
        """Observe reports that arrive `at` (or when they were made); return who was new."""
        return [
            self.observer.observe(each, each.time if at is None else START + at, age_s)
            for each in reports
        ]

    def tick(self, at):
        self.observer.tick(START + at)
        return self.told()

    def told(self):
        """Commit, and return all sessions in order."""
        changes = self.observer.changes()
        for row in changes.begun:
            self.sessions[row.number] = Told(row.peer, row.begin - START, row.gateway)
        for gateways, number in changes.visits:
            self.sessions[number].gateways = gateways
        for country, _, number in changes.placed:
            self.sessions[number].country = country
        for row in changes.ended:
            session = self.sessions[row.number]
            session.end, session.reason = row.end - START, REASONS[row.reason]
            session.received, session.sent = row.received, row.sent
        for row in changes.edges:
            assert row.number == len(self.edges) + 1
            self.edges.append(("begin" if row.kind == BEGIN else "end", row.session))
        self.observer.committed()
        return list(self.sessions.values())
