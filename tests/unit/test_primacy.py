"""Two primaries hear of each other, and a follower wants to become one."""

import msgspec
import pytest
from msgspec import structs

from tests import builders
from wig import errors, log
from wig.log import Fork, Loss, Position
from wig.primacy import Announcement, Place, judge, refusal, replaced

DIGEST = "ab" * 32


def epoch(term: int) -> str:
    return log.epoch_id(builders.NOON, bytes(4), term)


ROOT = Fork(epoch="e0", parent="", seq=0, digest=DIGEST)


def fork(name: str, seq: int, parent: str = "e0") -> Fork:
    return Fork(epoch=name, parent=parent, seq=seq, digest=DIGEST)


def says(
    node: str, *forks: Fork, term: int = 0, database: str = "d1", since_ms: int = 0, head: int = 99
):
    return Announcement(
        database=database, node=node, instance=f"i-{node}", since_ms=since_ms,
        lineage=(ROOT, *(forks or (fork(epoch(term), 40),))), head=head,
    )  # fmt: skip


def digest_at(seq: int) -> str:
    return DIGEST


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
    assert judge(ME, other, 50, digest_at) is None
    assert judge(ME, says("hub", term=1, since_ms=0), 50, digest_at) is None


def test_a_lower_term_stops_for_good():
    """Whoever started first; and it says what is lost."""
    verdict = judge(ME, says("paris", ME.lineage[-1], fork(epoch(1), 45, epoch(0))), 50, digest_at)

    assert verdict is not None
    assert verdict.final
    assert verdict.loss == Loss(first=46, last=50)
    assert str(verdict.error) == (
        "node: 'paris' was promoted and is the primary now (term 1); "
        "entries 46–50 of this one are lost"
    )
    assert "--follow paris" in str(verdict.error.hint)
    nothing = judge(ME, says("paris", ME.lineage[-1], fork(epoch(1), 50, epoch(0))), 50, digest_at)
    assert nothing is not None
    assert (nothing.loss, "lost" in str(nothing.error)) == (None, False)
    assert judge(says("paris", term=1, since_ms=200), ME, 50, digest_at) is None


@pytest.mark.parametrize(
    ("other", "message"),
    [
        pytest.param(says("paris"), "is the primary of this database already", id="a copy"),
        pytest.param(says("paris", database="d2"), "of another database", id="a stranger"),
    ],
)
def test_the_later_one_stops_and_may_try_again(other, message):
    """A copy under another name, or a second database on the same bus."""
    verdict = judge(ME, other, 50, digest_at)

    assert verdict is not None
    assert not verdict.final
    assert message in str(verdict.error)


HERE = (fork("e5", 30),)


@pytest.mark.parametrize(
    ("theirs", "digest", "loss"),
    [
        pytest.param((*HERE, fork("x", 35)), DIGEST, "entries 36–40", id="it left us"),
        pytest.param(
            (*HERE, fork("x", 35)), "other", "entries 35–40, and perhaps earlier ones,",
            id="before that, too",
        ),
        pytest.param(
            (*HERE, fork("x", 35)), None, "entries 36–40, and perhaps earlier ones,", id="pruned"
        ),
        pytest.param((*HERE, fork("x", 40)), DIGEST, "None", id="at our head"),
        pytest.param(
            (fork("x", 50),), DIGEST, "entries 31–40, and perhaps earlier ones,",
            id="promoted on a branch that a restore had given up",
        ),
        pytest.param((fork("x", 20),), DIGEST, "entries 21–40", id="it left what we left later"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("term", [0, 1])
def test_who_stops_tells_what_it_has_that_the_other_has_not(theirs, digest, loss, term):
    """Promoted, or a copy that was there first; what is not proven is told as such."""
    last = structs.replace(theirs[-1], epoch=epoch(term))
    other = says("paris", *theirs[:-1], last)

    verdict = judge(says("hub", *HERE, since_ms=1), other, 40, lambda _: digest)

    assert verdict is not None
    assert str(verdict.loss) == loss
    assert (f"{loss} of this one are lost" in str(verdict.error)) is (loss != "None")


def test_who_stops_tells_what_the_other_has_not_reached():
    """It is an older copy that starts: what it will begin is not known yet."""
    other = says("paris", fork(epoch(0), 40), head=44)

    verdict = judge(says("hub", fork(epoch(0), 40), since_ms=1), other, 50, digest_at)

    assert verdict is not None
    assert str(verdict.loss) == "entries 45–50, and perhaps earlier ones,"


def test_who_is_replaced_tells_what_it_has_that_the_other_has_not():
    """As far as it hears of it."""
    fenced = errors.Fenced("node: 'hub' has been replaced", field="name", hint="see who serves it")
    other = says("hub", ME.lineage[-1], fork("x", 45, epoch(0)))

    told, silent = (replaced(fenced, ME, it, 50, digest_at) for it in (other, None))

    assert str(told.error) == "node: 'hub' has been replaced; entries 46–50 of this one are lost"
    assert (told.error.field, told.error.hint) == (fenced.field, fenced.hint)
    assert (told.final, told.loss) == (False, Loss(first=46, last=50))
    assert (str(silent.error), silent.loss) == (str(fenced), None)


def test_who_was_away_for_too_long_says_that_nobody_knows():
    """Both have forgotten the last epoch that they had in common."""
    other = structs.replace(says("paris"), lineage=(fork(epoch(1), 45, epoch(0)),))

    verdict = judge(ME, other, 50, digest_at)

    assert verdict is not None
    assert verdict.loss is None
    assert "nobody knows what is lost of it" in str(verdict.error)


def test_an_announcement_without_an_epoch_is_none():
    """What cannot be judged is not understood."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(
            {
                "database": "d",
                "node": "n",
                "instance": "i",
                "since_ms": 0,
                "lineage": [],
                "head": 0,
            },
            Announcement,
        )


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
        pytest.param((Place("a", "follower", at(10, FIRST)),), id="where its past was left"),
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
        pytest.param((Place("a", "follower", at(11, FIRST)),), "'a' has entries", id="left before"),
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
