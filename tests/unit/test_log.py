"""The log: chain, digests, epochs, and which past is whose."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests import builders
from wig import errors, log


def _records(*payloads: bytes) -> list[log.Record]:
    records, digest = [], log.ZERO_DIGEST
    for seq, payload in enumerate(payloads, 1):
        digest = log.chain(digest, payload)
        records.append(log.Record(seq, payload, digest))
    return records


def test_an_unbroken_chain_is_accepted():
    """Each digest covers everything before it."""
    log.follow(log.ZERO_DIGEST, 0, _records(b"a", b"b", b"c"))


def test_a_chain_is_accepted_from_the_middle():
    """A replica knows the digest where it stands, and checks what follows."""
    first, *rest = _records(b"a", b"b", b"c")

    log.follow(first.digest, 1, rest)


@pytest.mark.parametrize(
    ("records", "rule"),
    [
        pytest.param(_records(b"a", b"b")[1:], "entry 2 follows entry 0", id="gap"),
        pytest.param(_records(b"a") * 2, "entry 1 follows entry 1", id="repeat"),
        pytest.param(
            [log.Record(1, b"b", _records(b"a")[0].digest)], "does not match", id="payload"
        ),
    ],
)
def test_a_broken_chain_is_damage(records, rule):
    """A gap, a repeat or a changed byte is never applied."""
    with pytest.raises(errors.Damaged, match=rule):
        log.follow(log.ZERO_DIGEST, 0, records)


def test_the_state_digest_does_not_depend_on_order():
    """Objects may come and go in any order."""
    parts = [log.object_digest(builders.peer(seed)) for seed in range(3)]
    there = back = 0
    for part in parts:
        there = log.state_digest_add(there, part)
    for part in reversed(parts):
        back = log.state_digest_add(back, part)

    assert there == back
    assert len(log.state_digest_text(there)) == 64


def test_the_state_digest_forgets_what_was_removed():
    """Adding and removing an object leaves no trace."""
    part = log.object_digest(builders.peer())

    assert log.state_digest_add(log.state_digest_add(5, part), -part) == 5
    assert log.state_digest_text(0) == "0" * 64


def test_epochs_sort_by_time():
    """A later epoch has the greater id, whatever the randomness."""
    early = log.epoch_id(builders.NOON, b"\xff\xff\xff\xff")
    late = log.epoch_id(builders.NOON + timedelta(milliseconds=1), bytes(4))

    assert early < late
    assert len(early) == len(late) == 24


def test_an_epoch_needs_its_randomness():
    """Two nodes that are promoted at once must not mint the same epoch."""
    with pytest.raises(ValueError, match="needs 4 bytes"):
        log.epoch_id(builders.NOON, b"")


LINEAGE = (
    log.Fork(epoch="a", parent="", seq=0, digest="d0"),
    log.Fork(epoch="b", parent="a", seq=10, digest="d10"),
    log.Fork(epoch="c", parent="b", seq=10, digest="d10"),
    log.Fork(epoch="d", parent="c", seq=20, digest="d20"),
)


@pytest.mark.parametrize(
    ("epoch", "seq", "digest_at", "good"),
    [
        pytest.param("d", 30, "same", True, id="current-epoch"),
        pytest.param("d", 30, "other", False, id="other-digest"),
        pytest.param("d", 30, None, False, id="digest-not-known"),
        pytest.param("a", 10, "same", True, id="ancestor-at-its-fork"),
        pytest.param("b", 10, "same", True, id="epoch-without-entries"),
        pytest.param("c", 15, "same", True, id="ancestor-before-its-fork"),
        pytest.param("x", 5, "same", False, id="unknown-epoch"),
    ],
)
def test_a_position_is_in_the_past_or_not(epoch, seq, digest_at, good):
    """Its epoch is known, and its digest is the right one."""
    position = log.Position(epoch=epoch, seq=seq, digest="same")

    assert log.contains(LINEAGE, position, digest_at) is good


POSITION = log.Position(epoch="a", seq=3, digest="d3")


def test_a_position_advances_to_the_last_record():
    """Its digest is the chain's there."""
    records = _records(b"a", b"b")

    assert log.advanced(POSITION, "b", records) == log.Position(
        epoch="b", seq=2, digest=records[-1].digest.hex()
    )


def test_an_epoch_may_begin_without_records():
    """Only the epoch changes then."""
    assert log.advanced(POSITION, "b", []) == log.Position(epoch="b", seq=3, digest="d3")


def test_a_lineage_remembers_where_an_epoch_left_its_parent():
    """An epoch that is known already changes nothing."""
    lineage = log.extended((), "b", POSITION)

    assert lineage == (log.Fork(epoch="b", parent="a", seq=3, digest="d3"),)
    assert log.extended(lineage, "b", POSITION) == lineage


def test_a_lineage_forgets_its_first_epochs():
    """A primary that is started again and again does not make it grow for ever."""
    lineage = ()
    for number in range(log.EPOCHS_MAX + 2):
        lineage = log.extended(lineage, f"e{number}", replace(POSITION, seq=number))

    assert [fork.epoch for fork in (lineage[0], lineage[-1])] == ["e2", "e101"]
    assert log.epoch_at(lineage, 1) == "e2", "of what is forgotten nothing is known"
    assert log.epoch_at(lineage, 4) == "e3"


@pytest.mark.parametrize("hours", [1, 0, -1])
@pytest.mark.parametrize("promoted", [False, True])
def test_the_next_epoch_sorts_after_those_before(hours, promoted):
    """Also when the clock was set back; only a promotion has a higher term."""
    first = log.Fork(epoch=log.epoch_id(builders.NOON, b"late", 3), parent="", seq=0, digest="")
    now = builders.NOON + timedelta(hours=hours)

    epoch = log.next_epoch((first,), now, b"same", promoted=promoted)

    assert epoch > first.epoch
    assert log.term(epoch) == 3 + promoted


@pytest.mark.parametrize(
    ("theirs", "common", "digest"),
    [
        pytest.param(LINEAGE, 30, None, id="the same"),
        pytest.param(LINEAGE[:3], 20, None, id="they are in the epoch before"),
        pytest.param(
            (*LINEAGE, log.Fork(epoch="e", parent="d", seq=25, digest="d25")), 25, "d25", id="left"
        ),
        pytest.param(
            (*LINEAGE, log.Fork(epoch="e", parent="d", seq=40, digest="d40")), 30, None, id="later"
        ),
        pytest.param(
            (*LINEAGE[:2], log.Fork(epoch="x", parent="b", seq=15, digest="")),
            10,
            None,
            id="we earlier",
        ),
        pytest.param(
            (*LINEAGE[:3], log.Fork(epoch="x", parent="c", seq=15, digest="d15")),
            15,
            "d15",
            id="they earlier",
        ),
    ],
)
def test_timelines_are_the_same_up_to_where_one_left_the_other(theirs, common, digest):
    """In the last epoch that both have been in."""
    assert log.parted(LINEAGE, theirs, 30) == (common, digest)


def test_timelines_that_forgot_what_they_had_in_common_are_not_related():
    """Each has been started too often since."""
    assert log.related(LINEAGE[:2], LINEAGE[1:])
    assert not log.related(LINEAGE[:2], LINEAGE[2:])


def test_a_loss_says_whether_it_may_be_more():
    """An operator reads it."""
    assert str(log.Loss(first=3, last=9)) == "entries 3–9"
    more = log.Loss(first=3, last=9, exact=False)
    assert f"{more} are lost" == "entries 3–9, and perhaps earlier ones, are lost"
