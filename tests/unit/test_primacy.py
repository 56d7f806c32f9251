"""Two primaries hear of each other, and a follower wants to become one."""

import pytest

from tests import builders
from wig import log
from wig.log import Fork, Position
from wig.primacy import Announcement, Place, judge, refusal

DIGEST = "ab" * 32


def epoch(term: int) -> str:
    return log.epoch_id(builders.NOON, bytes(4), term)


def says(node: str, *, term: int = 0, database: str = "d1", since_ms: int = 0, fork: int = 0):
    return Announcement(
        database=database, node=node, instance=f"i-{node}", since_ms=since_ms, epoch=epoch(term),
        fork=fork,
    )  # fmt: skip


ME = says("hub", since_ms=100)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(ME, id="myself"),
        pytest.param(says("paris", since_ms=200), id="one that started later"),
        pytest.param(says("paris", database="d2", since_ms=200), id="a stranger, later"),
    ],
)
def test_a_primary_goes_on(other):
    """Who was there first stays; of one name, the stream decides."""
    assert judge(ME, other, 50) is None
    assert judge(ME, says("hub", term=1, since_ms=0), 50) is None


def test_a_lower_term_stops_for_good():
    """Whoever started first; and it says what is lost."""
    verdict = judge(ME, says("paris", term=1, since_ms=200, fork=40), 50)

    assert verdict is not None
    assert verdict.final
    assert str(verdict.error) == (
        "node: 'paris' was promoted and is the primary now (term 1); "
        "entries 41–50 of this one are lost"
    )
    assert "--follow paris" in str(verdict.error.hint)
    nothing = judge(ME, says("paris", term=1, fork=50), 50)
    assert nothing is not None
    assert "lost" not in str(nothing.error)
    assert judge(says("paris", term=1, since_ms=200), ME, 50) is None


@pytest.mark.parametrize(
    ("other", "message"),
    [
        pytest.param(says("paris"), "is the primary of this database already", id="a copy"),
        pytest.param(says("paris", database="d2"), "of another database", id="a stranger"),
    ],
)
def test_the_later_one_stops_and_may_try_again(other, message):
    """A copy under another name, or a second database on the same bus."""
    verdict = judge(ME, other, 50)

    assert verdict is not None
    assert not verdict.final
    assert message in str(verdict.error)


FIRST, SECOND, THIRD = epoch(0), epoch(1), epoch(2)
LINEAGE = (
    Fork(epoch=FIRST, parent="", seq=0, digest=DIGEST),
    Fork(epoch=SECOND, parent=FIRST, seq=10, digest=DIGEST),
)


def at(seq: int, where: str = SECOND) -> Position:
    return Position(epoch=where, seq=seq, digest=DIGEST)


@pytest.mark.parametrize(
    "others",
    [
        pytest.param((), id="nobody"),
        pytest.param((Place("a", "follower", at(50)), Place("b", "gateway", at(50))), id="equal"),
        pytest.param((Place("a", "follower", None),), id="empty"),
        pytest.param((Place("a", "follower", at(90, FIRST)),), id="in a past that was left"),
    ],
)
def test_a_follower_may_be_promoted(others):
    """Nobody has more."""
    assert refusal(at(50), LINEAGE, others, force=False) is None


@pytest.mark.parametrize(
    ("others", "message"),
    [
        pytest.param((Place("hub", "primary", at(1)),), "'hub' is the primary, and", id="1"),
        pytest.param(
            (Place("a", "gateway", at(51)), Place("b", "gateway", at(55))),
            "'b' has entries up to 55, this database up to 50",
            id="ahead",
        ),
        pytest.param((Place("a", "follower", at(20, THIRD)),), "'a' has entries", id="later epoch"),
    ],
)  # fmt: skip
def test_a_follower_is_not_promoted(others, message):
    """A primary lives, or somebody knows more."""
    assert message in str(refusal(at(50), LINEAGE, others, force=False))


def test_force_gives_up_entries_but_overrules_no_primary():
    """And nothing makes a primary of an empty database."""
    assert refusal(at(50), LINEAGE, (Place("a", "gateway", at(51)),), force=True) is None
    assert "alive" in str(refusal(at(5), LINEAGE, (Place("hub", "primary", None),), force=True))
    assert "holds nothing" in str(refusal(None, (), (), force=True))


def test_terms_are_in_epochs_and_sort_first():
    """So whoever knows an epoch knows its term."""
    assert (log.term(FIRST), log.term(SECOND), log.term("e1")) == (0, 1, 0)
    assert FIRST < SECOND < THIRD
