"""Breaking a rule of the protocol on purpose makes the property test fail."""

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.property.mutations import FOUND_AT_ONCE, LATER, MUTATIONS
from tests.property.test_replication import Replication


def is_noticed(rule: str, examples_max: int) -> bool:
    """Say whether the property test fails while a rule is broken; "": none is."""
    quick = settings(
        max_examples=examples_max,
        stateful_step_count=60,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    with pytest.MonkeyPatch.context() as patch:
        if rule:
            MUTATIONS[rule].apply(patch)
        try:
            run_state_machine_as_test(Replication, settings=quick)
        except hypothesis.errors.HypothesisException:
            raise
        except Exception:  # noqa: BLE001  # a broken rule may show in any way
            return True
    return False


@pytest.mark.parametrize("rule", MUTATIONS)
def test_every_rule_can_be_broken(rule):
    """The table of mutations speaks of the code as it is."""
    with pytest.MonkeyPatch.context() as patch:
        MUTATIONS[rule].apply(patch)


def test_what_is_not_broken_is_not_noticed():
    """Else the others would show nothing."""
    assert not is_noticed("", 60)


@pytest.mark.parametrize("rule", FOUND_AT_ONCE)
def test_a_broken_rule_is_noticed_at_once(rule):
    """A few examples are enough for these."""
    assert is_noticed(rule, 60)


@pytest.mark.torture
@pytest.mark.parametrize("rule", LATER)
def test_torture_a_broken_rule_is_noticed(rule):
    """These take longer."""
    assert is_noticed(rule, 2_000)
