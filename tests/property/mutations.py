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

from tests.property import (
    replication_disk,
    replication_nodes,
    replication_primary,
    replication_world,
)
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
    ("a stream is claimed before it is compared", "Owner._opened", "Claim())", "Look())"),
    ("who finds another owner stops", "Owner._claim_again", "event.owner == self._instance", "True"),
    ("a claim that the server lost is repeated", "Owner._claim_again", "event.owner == self._displaced", "False"),
    ("who was replaced by a new stream stops", "Owner._gone", "if event.news", "if False"),
    ("who lost its stream beside an old one goes on", "Owner._gone", "if event.news", "if event.strangers is not None"),
    ("the operator is told what is lost", "Owner._not_ours", "first=first_lost,", "first=first_lost + 1,"),
    ("a range that is not proven is told as such", "Owner._not_ours", "exact=self._proven", "exact=True"),
    ("the range that is lost begins at the fork", "Owner._compared", "self._same <= 1", "self._same <= 99"),
    ("a snapshot begins a new stream", "Owner.handle", "self._replaced = self._stale = True", "pass"),
    ("what was seen beside a log that is gone is looked at again", "Owner.handle", "if self._stale", "if False"),
    ("what cannot be compared is not continued", "Owner._find", "if common < log.base", "if False"),
    ("a stream with another past is not continued", "Owner._compared", "if event.same:", "if True:"),
    ("a stream that is ahead is not continued", "Owner._compared", "event.seq == found.last", "True"),
    ("a process of a primary begins an epoch", "Owner._opened", "else (Mint(),)", "else ()"),
    ("a follower never begins an epoch", "Owner._opened", "if self._follows", "if False"),
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
) + _of(
    replication_primary,
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
)  # fmt: skip

ANSWERS = _of(
    replication,
    ("who is not confirmed takes nothing away", "_not_in_my_past", "not mine.confirmed", "False"),
    ("who is in an older epoch than the root takes nothing away", "_not_in_my_past", "root.epoch != mine.position.epoch", "False"),
    ("who has less than the root takes nothing away", "_not_in_my_past", "mine.position.seq < root.seq", "False"),
    ("only what the root says later is a proof", "_not_in_my_past", "root.age_s + late_s > waited_s", "late_s > waited_s"),
    ("what was on its way before is no proof", "_not_in_my_past", "ROOT_AGE_S_MAX if", "0.0 if"),
    ("a proven fork gets a snapshot", "_not_in_my_past", 'Snapshot("its past is not in this timeline", _loss(position, mine, digest_at))', 'Wait("")'),
    ("what a downstream has more is told", "_loss", "mine.position.seq + 1, position.seq)", "mine.position.seq + 2, position.seq)"),
    ("an epoch that was left lacks what came after", "_loss", "left_at + 1", "left_at + 2"),
    ("pruned entries are replaced by a snapshot", "_in_my_past", "position.seq + 1 < mine.oldest", "False"),
    ("who asks for the whole state gets it", "_in_my_past", "if whole", "if False"),
    ("nothing is skipped", "_in_my_past", "Continue(position.seq + 1", "Continue(position.seq + 2"),
    ("nobody follows who follows it", "_refusal", "request.node in path", "False"),
) + _of(
    log,
    ("another digest is another past", "contains", "digest_at == position.digest", "digest_at is not None"),
    ("an unknown epoch is another past", "contains", "known and ", ""),
    ("an epoch begins after its fork", "epoch_at", "fork.seq < seq", "fork.seq <= seq"),
)  # fmt: skip

PRIMACY = _of(
    primacy,
    ("the lower term stops", "judge", "log.term(other.epoch) > log.term(mine.epoch)", "False"),
    ("of one term the later stops", "judge", "log.term(other.epoch) == log.term(mine.epoch)", "False"),
    ("the one that was there first stays", "_later", ") > (", ") != ("),
    ("a primary that lives is not overruled", "refusal", 'if place.role == "primary"', "if False"),
    ("what was left is not known to be lost", "_ahead", "theirs.seq > left_at.get(theirs.epoch, mine.seq)", "theirs.epoch == mine.epoch and theirs.seq > mine.seq"),
    ("nothing that can be reached is lost", "refusal", "not ahead or force", "True"),
    ("what a fenced one cannot prove is told as such", "_loss", "exact = ours is not None and not differs", "exact = True"),
    ("who is replaced tells what is lost", "replaced", "if other is None", "if other"),
    ("who is fenced tells what is lost", "_loss", "else common + 1", "else common + 2"),
) + _of(
    replication_world,
    ("a promotion raises the term", "World.promote", "for fork in lineage) + 1", "for fork in lineage)"),
)  # fmt: skip

MUTATIONS = {it.rule: it for it in [*OWNER, *STREAM, *REPLICA, *ANSWERS, *PRIMACY]}

SHOWN_BY = {
    "a stream is claimed before it is compared": "a_copy_takes_over_and_the_old_one_stops",
    "who finds another owner stops": "a_claim_that_a_server_loses_is_repeated",
    "a claim that the server lost is repeated": "a_claim_that_a_server_loses_is_repeated",
    "who was replaced by a new stream stops": "two_copies_that_were_never_published_end_as_one",
    "who lost its stream beside an old one goes on": "a_stream_is_lost_beside_an_old_one",
    "a process of a primary begins an epoch": "a_server_that_loses_a_claim_does_not_let_two_share_an_epoch",
    "the operator is told what is lost": "what_a_downstream_has_more_is_told",
    "a range that is not proven is told as such": "the_range_that_is_lost_begins_at_the_fork",
    "the range that is lost begins at the fork": "the_range_that_is_lost_begins_at_the_fork",
    "a snapshot begins a new stream": "what_is_beyond_the_head_is_told",
    "what was seen beside a log that is gone is looked at again": "a_snapshot_comes_while_the_stream_is_looked_at",
    "what cannot be compared is not continued": "a_stream_that_ends_before_the_log_begins_is_not_continued",
    "a stream with another past is not continued": "an_unpublished_branch_is_not_put_on_top_of_anothers",
    "a stream that is ahead is not continued": "what_a_downstream_has_more_is_told",
    "a follower never begins an epoch": "a_disturbed_replica_is_back_within_seconds",
    "a new stream begins after the base": "a_restored_database_does_not_number_other_entries_alike",
    "after a doubt the stream is looked at": "an_entry_that_comes_twice_is_taken_once",
    "a stream takes its owner's subject only": "a_late_entry_of_the_old_owner_is_not_taken",
    "a stream takes only what follows its last entry": "an_entry_that_comes_twice_is_taken_once",
    "acknowledged is what the stream has taken": "what_the_stream_did_not_take_is_not_acknowledged",
    "a double that speaks makes its owner look": "two_copies_that_were_never_published_end_as_one",
    "a fenced primary does not start again": "a_promoted_follower_wins_and_the_old_primary_stays_fenced",
    "an entry that breaks the chain is not applied": "a_damaged_entry_is_never_applied",
    "what belongs to an old attempt is ignored": "a_snapshot_of_an_earlier_attempt_is_not_loaded",
    "entries of an unknown epoch are not applied": "entries_of_a_new_epoch_in_a_followers_stream_are_stamped_with_it",
    "an epoch begins at its fork only": "a_stale_answer_does_not_begin_an_epoch_after_its_fork",
    "one apply ends where an epoch begins": "entries_of_two_epochs_are_applied_apart",
    "no attach while the sink works": "entries_of_a_new_epoch_in_a_followers_stream_are_stamped_with_it",
    "a gateway names what its device shows": "a_node_that_lags_does_not_pull_back_who_comes_from_a_faster_one",
    "a gateway that holds nothing wants everything": "with_everything_above_dead_a_device_does_not_lose_a_single_peer",
    "an answer fits the position": "a_stale_answer_from_before_an_epoch_is_not_followed",
    "an entry that is broken twice needs a snapshot": "an_entry_that_rots_in_a_stream_is_replaced_by_a_snapshot",
    "an attach without an answer is repeated": "with_everything_above_dead_a_device_does_not_lose_a_single_peer",
    "one load at a time": "a_snapshot_that_is_offered_twice_is_loaded_once",
    "a state that is wrong needs a snapshot": "a_state_that_is_wrong_at_the_right_position_is_replaced",
    "a broken consumer is given up": "a_broken_consumer_is_noticed_at_once",
    "another epoch upstream: attach again": "an_epoch_without_entries_arrives_at_once",
    "an upstream that is behind: attach again": "a_copy_of_a_lost_branch_takes_nothing_from_who_is_on_the_right_one",
    "nothing arrives: attach again": "a_consumer_that_skips_is_noticed",
    "another past upstream: attach again": "another_past_at_the_same_sequence_is_noticed_without_an_entry",
    "another state at one position: load": "a_state_that_is_wrong_at_the_right_position_is_replaced",
    "an old beacon is not heard": "a_beacon_that_is_repeated_proves_nothing",
    "knowledge of the root ages": "what_the_root_said_before_a_downstream_came_proves_nothing",
    "a loop is not followed": "nodes_that_would_follow_each_other_wait",
    "who is not confirmed takes nothing away": "who_has_not_heard_the_root_for_long_takes_nothing_away",
    "who is in an older epoch than the root takes nothing away": "who_is_in_an_older_epoch_than_the_root_takes_nothing_away",
    "who has less than the root takes nothing away": "who_lags_takes_nothing_away_that_is_right",
    "what was on its way before is no proof": "a_beacon_that_was_on_its_way_proves_nothing",
    "only what the root says later is a proof": "what_the_root_said_before_a_downstream_came_proves_nothing",
    "a proven fork gets a snapshot": "a_proof_that_led_to_a_snapshot_holds_until_it_is_sent",
    "what a downstream has more is told": "what_is_beyond_the_head_is_told",
    "an epoch that was left lacks what came after": "a_proof_that_led_to_a_snapshot_holds_until_it_is_sent",
    "pruned entries are replaced by a snapshot": "who_needs_what_is_pruned_gets_a_snapshot",
    "who asks for the whole state gets it": "a_state_that_is_wrong_at_the_right_position_is_replaced",
    "nothing is skipped": "a_disturbed_replica_is_back_within_seconds",
    "nobody follows who follows it": "who_has_not_heard_its_upstream_yet_is_not_let_into_a_loop",
    "another digest is another past": "another_past_at_the_same_sequence_is_noticed_without_an_entry",
    "an unknown epoch is another past": "an_epoch_that_was_lost_without_an_entry_is_given_up",
    "an epoch begins after its fork": "what_a_downstream_has_more_is_told",
    "the lower term stops": "a_promoted_follower_wins_and_the_old_primary_stays_fenced",
    "of one term the later stops": "of_two_copies_the_one_that_was_there_first_stays",
    "the one that was there first stays": "of_two_copies_the_one_that_was_there_first_stays",
    "a primary that lives is not overruled": "a_primary_that_lives_is_never_overruled",
    "what was left is not known to be lost": "who_left_entries_that_somebody_has_is_not_promoted",
    "nothing that can be reached is lost": "who_lacks_entries_that_somebody_has_is_not_promoted",
    "what a fenced one cannot prove is told as such": "what_is_lost_of_a_machine_that_was_rolled_back_is_not_told_as_proven",
    "who is replaced tells what is lost": "who_is_replaced_tells_what_is_lost_of_it",
    "who is fenced tells what is lost": "a_promoted_follower_wins_and_the_old_primary_stays_fenced",
    "a promotion raises the term": "a_promoted_follower_wins_and_the_old_primary_stays_fenced",
}
"""The story that each rule is for: without the rule it fails."""
