"""Breaking a rule of the protocol on purpose makes a story, or random examples, fail."""

import itertools

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.property import (
    test_replication_answers,
    test_replication_downstreams,
    test_replication_owners,
    test_replication_stories,
)
from tests.property.mutations import MUTATIONS, SHOWN_BY
from tests.property.replication_world import World
from tests.property.test_replication import Replication

STORIES = {
    name.removeprefix("test_"): story
    for module in (
        test_replication_answers,
        test_replication_downstreams,
        test_replication_owners,
        test_replication_stories,
    )
    for name, story in vars(module).items()
    if name.startswith("test_")
}
EXAMPLES = 1_000


def tell(name: str) -> None:
    """Tell a story, with each of its variants."""
    story = STORIES[name]
    marks = [mark for mark in getattr(story, "pytestmark", ()) if mark.name == "parametrize"]
    choices = [[(mark.args[0], it) for it in mark.args[1]] for mark in marks]
    variants = [dict(chosen) for chosen in itertools.product(*choices)]
    needs_world = "world" in story.__code__.co_varnames[: story.__code__.co_argcount]
    for variant in variants:
        story(**({"world": World.at_rest()} if needs_world else {}), **variant)


def is_found_at_random() -> bool:
    """Say whether random examples fail."""
    quick = settings(
        max_examples=EXAMPLES,
        stateful_step_count=60,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(Replication, settings=quick)
    except hypothesis.errors.HypothesisException:
        raise
    except Exception:  # noqa: BLE001  # a broken rule may show in any way
        return True
    return False


@pytest.mark.parametrize("rule", MUTATIONS)
def test_a_broken_rule_is_noticed(rule):
    """By the story that is about it."""
    noticed = False
    with pytest.MonkeyPatch.context() as patch:
        MUTATIONS[rule].apply(patch)
        try:
            tell(SHOWN_BY[rule])
        except Exception:  # noqa: BLE001  # a broken rule may show in any way
            noticed = True
    assert noticed


@pytest.mark.torture
@pytest.mark.parametrize("rule", MUTATIONS)
def test_torture_random_examples_notice_a_broken_rule(rule):
    """With nobody having thought of it; not all of them do, in any time that we have."""
    with pytest.MonkeyPatch.context() as patch:
        MUTATIONS[rule].apply(patch)
        print(rule, "is found at random:", is_found_at_random())
