"""A process that learns from reports until it dies. Run by `test_history_crash.py`.

    python -m tests.integration.crashing_history DB [POINT OCCURRENCE]

It kills itself with SIGKILL when it passes POINT for the OCCURRENCE-th time. It prints the number
of each batch of reports that it would have acknowledged.
"""

import sys
from pathlib import Path

from tests.integration.crashing import die_at
from tests.reports import Teller
from wig.sqlite.history import History


def batches():
    """Return what is stored together: begins, ends, roaming, restarts, all of them again."""
    one, other = Teller("gw1"), Teller("gw2")
    found = [[one.tell(0), other.tell(0)]]
    for round_ in range(4):
        start = 2000 * round_
        peers = range(10 * round_, 10 * round_ + 15)
        rows = [(n, start + 20, 100 * n + start, start, 1) for n in peers]
        moved = [(n, start + 50, 7 + start, 3 + start) for n in peers[::2]]
        found += [
            [one.tell(start + 30, *rows)],
            [other.tell(start + 60, *moved), one.tell(start + 60)],
            [one.tell(start + 900), other.tell(start + 900)],
        ]
        one.reboot(round_ + 1)
    return found


def main(path):
    with History.open(path) as history:
        sessions = history.load()
        for number, batch in enumerate(batches()):
            for report in batch:
                sessions.observe(report, report.time)
                sessions.tick(report.time)
            history.commit(sessions)
            print(number, flush=True)


if __name__ == "__main__":
    name, *rest = sys.argv[1:]
    if rest:
        die_at(rest[0], int(rest[1]))
    main(Path(name))
