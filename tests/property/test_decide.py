"""Random commands: whatever is asked, in any order, the state stays one that makes sense."""

from contextlib import ExitStack

from hypothesis import example, given

from tests import builders
from tests.builders import NOON
from tests.contract.views import SUBJECTS, Subject
from tests.property import invariants
from tests.property.strategies import histories, wild_commands
from tests.world import EPOCH, World, replay
from wig import errors, ops, results
from wig.commands import (
    AnyCommand,
    DeleteInterface,
    ImportPeers,
    PeerSpec,
    UpdateInterface,
    UpdatePeer,
)
from wig.decide import decide
from wig.state import State


@given(histories)
@example([builders.create_interface(), DeleteInterface(name="wg0", with_peers=True)])
def test_every_prefix_of_every_command_is_a_valid_state(history):
    """After each single op the invariants hold; an error changes nothing; the log says it all."""
    state, log, outsiders = State(), [], set()
    for command in history:
        before, start = state.state_digest, len(log)
        outsiders |= {each.public_key for each in _specs(command) if each.outside_pool}
        try:
            for op in decide(state, command, NOON):
                log.append(op)
                state.apply_op(op, EPOCH, len(log))
                invariants.check(state)
                invariants.peers_are_in_their_pools(state, outsiders)
        except errors.WigError as error:
            invariants.error_is_clear(error)
            if len(log) > start:
                assert isinstance(command, ImportPeers), "others raise before their first op"
            del log[start:]
            state = replay(log)
            assert state.state_digest == before
    invariants.replay_is_the_same(state, log)


def _specs(command: AnyCommand) -> tuple[PeerSpec | UpdatePeer, ...]:
    if isinstance(command, ImportPeers):
        return command.peers
    return (command,) if isinstance(command, PeerSpec | UpdatePeer) else ()


@given(histories)
def test_a_repeated_create_is_unchanged(history):
    """What was just done needs no doing; the answer shows the same object."""
    state, seq = State(), 0
    for command in history:
        try:
            for op in decide(state, command, NOON):
                seq += 1
                state.apply_op(op, EPOCH, seq)
            again = list(decide(state, command, NOON))
        except errors.WigError:
            continue  # the property above says what that means
        if not hasattr(command, "revision"):  # a create, or about many
            assert again == []
            answer = results.result(command, [], state)
            many = isinstance(answer, results.ImportResult | results.DeleteResult)
            assert many or answer.unchanged


@given(histories)
@example(
    [
        builders.create_interface(),
        builders.create_peer(),
        UpdateInterface(name="wg0", addresses=("10.0.0.9/23",)),
        builders.create_peer(1),
    ]
)
def test_every_view_decides_alike(history):
    """The database and the state in memory are the same to `decide`."""
    with ExitStack() as stack:
        subjects = [stack.enter_context(make()) for make in SUBJECTS.values()]
        for command in history:
            if isinstance(command, ImportPeers):
                continue  # it may fail half-way, and a subject has no way back
            first, *others = [_outcome(subject, command) for subject in subjects]
            assert others == [first] * len(others)
        assert len({subject.digest() for subject in subjects}) == 1


def _outcome(subject: Subject, command) -> list[ops.Op] | str:
    try:
        return subject.run(command)
    except errors.WigError as error:
        return f"{type(error).__name__}: {error}"


@given(wild_commands)
def test_any_text_in_any_field_is_carried_out_or_clearly_refused(command):
    """No input leads to another exception, and none into a state that makes no sense."""
    world = World(builders.create_interface(), builders.create_peer(0))
    before = world.state.state_digest

    try:
        world.run(command)
    except errors.WigError as error:
        invariants.error_is_clear(error)
        assert world.state.state_digest == before
    invariants.check(world.state)
