"""The rules of the protocol, each broken on purpose: `test_mutations` shows that it is noticed.

A mutation replaces one text in one function. If the text is not there any more, the rule was
rewritten: say here how it is broken now.
"""

# ruff: noqa: E501  # a table: one rule, one line

import inspect
import textwrap
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import pytest

from tests.property import replication_disk, replication_nodes, replication_world
from wig import log, owner, primacy, replica, replication, upstream


class Mutation(NamedTuple):
    """One broken rule."""

    rule: str
    module: ModuleType
    where: str
    old: str
    new: str

    def apply(self, patch: pytest.MonkeyPatch) -> None:
        """Break the rule until `patch` is undone."""
        *path, name = self.where.split(".")
        holder: Any = self.module
        for part in path:
            holder = getattr(holder, part)
        found = inspect.getattr_static(holder, name)
        function: FunctionType = found.fget if isinstance(found, property) else found
        source = textwrap.dedent(inspect.getsource(function))
        assert source.count(self.old) == 1, f"{self.where} has not exactly one {self.old!r}"
        names: dict[str, Any] = {}
        exec(source.replace(self.old, self.new), function.__globals__, names)
        patch.setattr(holder, name, names[name])


def _of(module: ModuleType, *rows: tuple[str, str, str, str]) -> list[Mutation]:
    return [Mutation(rule, module, where, old, new) for rule, where, old, new in rows]


OWNER = _of(
    owner,
    ("a stream is claimed before it is compared", "Owner._opened", "(Claim(),)", "(Look(),)"),
    ("who finds another owner stops", "Owner._claim_again", "event.owner == self._instance", "True"),
    ("a claim that the server lost is repeated", "Owner._claim_again", "event.owner == self._displaced", "False"),
    ("who was replaced by a new stream stops", "Owner._gone", "self._claimed and event.strangers is not None", "False"),
    ("a first stream begins an epoch", "Owner._begin", "mint=True", "mint=cause is not Cause.FIRST"),
    ("a lost stream begins an epoch", "Owner._begin", "mint=True", "mint=cause is not Cause.LOST"),
    ("a restored database begins an epoch", "Owner._begin", "mint=True", "mint=cause is not Cause.RESTORED"),
    ("the operator is told what is lost", "Owner._not_ours", "first=first_lost,", "first=first_lost + 1,"),
    ("a range that is not proven is told as such", "Owner._not_ours", "exact=self._proven", "exact=True"),
    ("the range that is lost begins at the fork", "Owner._compared", "self._same <= 1", "self._same <= 99"),
    ("a snapshot begins a new stream", "Owner.handle", "self._replaced, self._publishing = True, False", "self._publishing = False"),
    ("what cannot be compared is not continued", "Owner._find", "if common < log.base", "if False"),
    ("a stream with another past is not continued", "Owner._compared", "if event.same:", "if True:"),
    ("a stream that is ahead is not continued", "Owner._compared", "event.seq == found.last", "True"),
    ("a follower never begins an epoch", "Owner._begin", "if self._follows", "if False"),
    ("a new stream begins after the base", "Owner._begin", "REPUBLISHED_MAX) + 1", "REPUBLISHED_MAX) + 2"),
    ("after a doubt the stream is looked at", "Owner.handle", "(Look(),) if self._publishing", "() if self._publishing"),
)  # fmt: skip

STREAM = _of(
    replication_disk,
    ("a stream takes its owner's subject only", "Stream.take", "(self.owner,", "(entry.instance,"),
    ("a stream takes only what follows its last entry", "Stream.take", "self.last + 1, last", "entry.record.seq, entry.before"),
) + _of(
    replication_nodes,
    ("acknowledged is what the stream has taken", "Node.send", "taken and answered", "answered"),
    ("a double that speaks makes its owner look", "Node.doubt", "self.after is not None", "False"),
    ("a fenced primary does not start again", "Primary.may_run", "not self.disk.fenced", "True"),
)  # fmt: skip

REPLICA = _of(
    replica,
    ("an entry that breaks the chain is not applied", "Replica._arrived", "digest != record.digest", "False"),
    ("what belongs to an old attempt is ignored", "Replica._take", "event.attempt == self.attempt", "True"),
    ("entries of an unknown epoch are not applied", "Replica._arrived", "not log.all_in(self._lineage, records, epoch)", "False"),
    ("an epoch begins at its fork only", "Replica._apply_next", "(fork.seq, fork.digest) == (self.position.seq, self.position.digest)", "True"),
    ("one apply ends where an epoch begins", "Replica._apply_next", "fork.seq if fork else self._cursor[0]", "self._cursor[0]"),
    ("no attach while the sink works", "Replica.handle", "if not self._busy", "if True"),
    ("a gateway names what its device shows", "Replica._attach_if_due", "self.position or self._floor", "self.position"),
    ("a gateway that holds nothing wants everything", "Replica._attach_if_due", "self._whole or (self.position is None and claim is not None)", "self._whole"),
    ("an answer fits the position", "Replica._follow", " or position.epoch not in known", ""),
    ("an entry that is broken twice needs a snapshot", "Replica._refuse", "self._broken_at == seq", "False"),
    ("an attach without an answer is repeated", "Replica._tick", "self.phase is Phase.ATTACHING", "False"),
    ("one load at a time", "Replica._take_current", "if not self._busy", "if True"),
    ("a state that is wrong needs a snapshot", "Replica._judge", "self._whole = doubt.whole", "self._whole = False"),
    ("a broken consumer is given up", "Replica._take_current", "self._detach(error.message, self._retry_s())", "pass"),
) + _of(
    upstream,
    ("another epoch upstream: attach again", "Upstream.judge", "theirs.epoch != mine.lineage[-1].epoch", "False"),
    ("an upstream that is behind: attach again", "Upstream.judge", "mark and mark.epoch == theirs.epoch", "False"),
    ("nothing arrives: attach again", "Upstream.judge", "now - self._moved_at > STALL_S_MAX", "False"),
    ("another past upstream: attach again", "Upstream._compare", "mine.position.digest != theirs.digest", "False"),
    ("another state at one position: load", "Upstream._compare", "mine.state_digest and told", "False"),
    ("an old beacon is not heard", "Upstream.hear", "last.counter >= beacon.counter", "False"),
    ("knowledge of the root ages", "Upstream.root", "told.age_s + now - self.heard_at", "0.0"),
    ("a loop is not followed", "Upstream.loop", "path if self.me in path else None", "None"),
    ("who has not heard the root is not confirmed", "Upstream.confirmed", "root.age_s <= ROOT_AGE_S_MAX", "True"),
    ("who has not reached the root is not confirmed", "Upstream.aim", "(position.epoch == epoch and position.seq >= seq)", "True"),
    ("each attachment is confirmed anew", "Upstream.attached", "self._reached = False", "pass"),
    ("the root of another epoch is to be reached anew", "Upstream.aim", "self._target is None or self._target[0] != root.epoch", "self._target is None"),
)  # fmt: skip

ANSWERS = _of(
    replication,
    ("who is not confirmed takes nothing away", "_not_in_my_past", "not mine.confirmed", "False"),
    ("who is in an older epoch than the root takes nothing away", "_not_in_my_past", "root.epoch != mine.position.epoch", "False"),
    ("who is behind takes nothing away", "_not_in_my_past", "position.seq > mine.position.seq and root.seq >= position.seq", "False"),
    ("only what the root says later is a proof", "_not_in_my_past", "root.age_s > waited_s", "False"),
    ("a proven fork gets a snapshot", "_not_in_my_past", 'Snapshot("its past is not in this timeline", _loss(position, mine, digest_at))', 'Wait("")'),
    ("what a downstream has more is told", "_loss", "mine.position.seq + 1, position.seq)", "mine.position.seq + 2, position.seq)"),
    ("an epoch that was left lacks what came after", "_loss", "left_at + 1", "left_at + 2"),
    ("pruned entries are replaced by a snapshot", "_in_my_past", "position.seq + 1 < mine.oldest", "False"),
    ("who asks for the whole state gets it", "_in_my_past", "if whole", "if False"),
    ("nothing is skipped", "_in_my_past", "Continue(position.seq + 1", "Continue(position.seq + 2"),
    ("nobody follows who follows it", "_refusal", "request.node in path", "False"),
) + _of(
    log,
    ("another digest is another past", "contains", "digest_at != position.digest", "False"),
    ("an old epoch is good up to its end only", "contains", "position.seq <= left_at.get(position.epoch, position.seq)", "True"),
    ("an unknown epoch is another past", "contains", "known and ", ""),
    ("an epoch begins after its fork", "epoch_at", "fork.seq < seq", "fork.seq <= seq"),
)  # fmt: skip

PRIMACY = _of(
    primacy,
    ("the lower term stops", "judge", "log.term(other.epoch) > log.term(mine.epoch)", "False"),
    ("of one term the later stops", "judge", "log.term(other.epoch) == log.term(mine.epoch)", "False"),
    ("the one that was there first stays", "_later", ") > (", ") != ("),
    ("a primary that lives is not overruled", "refusal", 'if place.role == "primary"', "if False"),
    ("nothing that can be reached is lost", "refusal", "not ahead or force", "True"),
    ("what a fenced one cannot prove is told as such", "_loss", "exact = ours is not None and not differs", "exact = True"),
    ("who is fenced tells what is lost", "_loss", "else common + 1", "else common + 2"),
) + _of(
    replication_world,
    ("a promotion raises the term", "World.promote", "for fork in lineage) + 1", "for fork in lineage)"),
)  # fmt: skip

MUTATIONS = {it.rule: it for it in [*OWNER, *STREAM, *REPLICA, *ANSWERS, *PRIMACY]}

SECOND_LINE = {
    "who has not reached the root is not confirmed": "what it lacks is judged by sequences, too",
    "each attachment is confirmed anew": "the same",
    "the root of another epoch is to be reached anew": "the same",
    "who is in an older epoch than the root takes nothing away": "it is not confirmed either",
    "an old epoch is good up to its end only": "the digest of what comes after differs",
}
"""Rules that others stand behind: breaking one alone changes nothing that can be seen. They are
kept because they are what is meant, and what they rest on is not; unit tests hold them."""
