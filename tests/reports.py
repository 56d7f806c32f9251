"""Reports for tests: a test names only what matters to it."""

from itertools import count

from tests.builders import NOON, key
from wig import stats

START = int(NOON.timestamp())
INTERVAL_S = 30
SWEDEN = stats.Place(country="SE", asn=64500, organisation="Example AB")


def samples(*rows, interface="wg0"):
    """Return columns from rows of (seed of the key, handshake, received, sent, place)."""
    filled = [(*row, *(0,) * (5 - len(row))) for row in rows]
    peers, handshakes, received, sent, places = zip(*filled, strict=True) if rows else ((),) * 5
    return stats.Samples(
        interface=interface,
        peers=tuple(key(seed) for seed in peers),
        handshakes=handshakes,
        received=received,
        sent=sent,
        places=places if any(places) else (),
    )


class Teller:
    """A gateway that tells about its peers; times are seconds after `START`."""

    def __init__(self, gateway="gw1", boot=0, clock=0):
        self.gateway = gateway
        self.clock = clock
        self.reboot(boot)

    def reboot(self, boot):
        self.boot = f"{boot:016x}"
        self._numbers = count(1)

    def tell(self, at, *rows, interface="wg0", more=False, places=(SWEDEN,)):
        """Return the report of what was read at `at`; handshakes by the gateway's own clock."""
        wrong = [
            (row[0], row[1] + START + self.clock if row[1] is not None else 0, *row[2:])
            for row in rows
        ]
        return stats.Report(
            format=stats.FORMAT,
            gateway=self.gateway,
            boot=self.boot,
            n=next(self._numbers),
            time=START + at + self.clock,
            interval_s=INTERVAL_S,
            more=more,
            places=places,
            interfaces=(samples(*wrong, interface=interface),) if rows else (),
        )
