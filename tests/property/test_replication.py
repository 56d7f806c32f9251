"""What replication promises, whatever happens.

**The world** (`replication_world`): a primary `hub`, the followers `mid` and `leaf` in a row, and
a gateway at each of the three. All are the real state machines, `wig.owner`, `wig.replica`,
`wig.replication` and `wig.primacy`; only disks, streams, messages and time are simulated.

**The moves**, each possible at any moment:

- `Work`: commands are committed, entries published, given, applied and acknowledged, one at a
  time; beacons are sent; time passes.
- `Messages`: they overtake each other, are repeated, lost, and damaged.
- `Failures`: processes are killed between any two steps; streams, or their ends, are lost; streams
  and states rot; databases are lost, replaced by old copies, restored from backups with or
  without their streams, or with the whole machine; a server that loses its power loses the last
  entries and the last claim; old entries are pruned; downstreams get another upstream.
- `Rivals`: primaries freeze and wake up; copies of them are started, under the same name or
  another; the network is cut; followers are promoted.
- `Plots`: several of these in a row.

Three things are set aside. When a machine is rolled back as it runs, its primary's epoch has two
branches: then numbers may be used twice, and losses told incompletely. When a database is restored
while there is another primary, whoever does it gives up what only that one had. And nobody can know
in time that the database behind a snapshot that is on its way is replaced again.

**The promises** are below, by the numbers of the design. In the end the faults stop, and everybody
must reach the head by itself. `test_mutations` breaks the protocol's rules on purpose, one by one:
the stories beside this page, which tell what each rule is for, fail then.
"""

import pytest
from hypothesis import settings
from hypothesis.stateful import invariant

from tests.property.replication_moves import Failures, Messages, Rivals, Work
from tests.property.replication_operator import tidy
from tests.property.replication_plots import Plots

CONVERGED_S_MAX = 30.0  # of quiet, from whatever was before; each level may have to wait for 7 s
STEP_S = 0.25


class Replication(Work, Messages, Failures, Rivals, Plots):
    """Everything that can happen, in any order."""

    @invariant()
    def invariants_1_2_and_7(self) -> None:
        """Every state is that of a primary at that position: no mix, no entry out of its chain.

        That no position has two states is asserted where a primary writes.
        """
        self.world.promises.check_states()

    @invariant()
    def invariant_3(self) -> None:
        """What was acknowledged is there, or an operator was told that it is lost."""
        self.world.promises.check_acknowledged()

    # Asserted where it happens, in `replication_promises`: invariant 5, two primaries never both
    # acknowledge at one place of one epoch (`acknowledge`); invariant 8, nobody who is right loses
    # what it has (`check_taken_away`); that answers are true (`check_answer`), and that what an
    # operator is told of losses is neither too much nor claimed without proof (`check_loss`).
    # Invariant 6 is about devices: see `test_plan`.

    def teardown(self) -> None:
        """Invariant 4: once messages arrive, everybody reaches the head of one primary."""
        tidy(self.world)
        for step in range(int(CONVERGED_S_MAX / STEP_S)):
            self.world.calm_step(STEP_S, beacons=step % 4 == 0)
            if self.world.converged():
                assert set(self.world.promises.open) <= self.world.root.disk.digests()
                return
        where = [str(node) for node in self.world.everybody()]
        raise AssertionError(f"invariant 4: {where}")


TestReplication = Replication.TestCase
TestReplication.settings = settings(max_examples=80, stateful_step_count=60)


@pytest.mark.torture
class TestReplicationForLong(Replication.TestCase):  # type: ignore[misc,name-defined]
    """The same, for minutes."""

    settings = settings(max_examples=20_000, stateful_step_count=100, derandomize=False)
