"""What a downstream may say of itself, and of those below it."""

import pytest
from msgspec.structs import replace

from bridge import wire
from bridge.wire import Report
from wig import codec, errors
from wig.log import Position

GATEWAY = Report(node="gw1", instance="a", role="gateway", version="1", upstream="hub")
FOLLOWER = Report(node="paris", instance="a", role="follower", version="1", upstream="hub")


def below(levels):
    """Return followers in a row."""
    report = GATEWAY
    for _ in range(levels - 1):
        report = replace(FOLLOWER, nodes=(report,))
    return report


@pytest.mark.parametrize(
    "report",
    [
        pytest.param(GATEWAY, id="nothing"),
        pytest.param(
            replace(
                FOLLOWER,
                behind_s=wire.AGE_S_MAX,
                root_age_s=0.0,
                head=wire.NUMBER_MAX,
                nodes=(replace(GATEWAY, age_s=wire.AGE_S_MAX),),
            ),
            id="bounds",
        ),
        pytest.param(below(wire.DEPTH_MAX), id="a deep tree"),
        pytest.param(replace(FOLLOWER, problems=("x" * 100_000,)), id="a large report"),
    ],
)
def test_a_report_is_taken(report):
    """And is the same on the other side."""
    assert wire.decode_report(codec.encode(report)) == report


@pytest.mark.parametrize(
    ("report", "field"),
    [
        (replace(GATEWAY, age_s=1e300), "age_s"),
        (replace(GATEWAY, age_s=-1.0), "age_s"),
        (replace(GATEWAY, behind_s=1e300), "behind_s"),
        (replace(GATEWAY, root_age_s=1e300), "root_age_s"),
        (replace(GATEWAY, connected=-1), "connected"),
        (replace(GATEWAY, position=Position(epoch="e", seq=-1, digest="0")), "seq"),
        (replace(GATEWAY, role="primary"), "role"),
        (replace(GATEWAY, nodes=(FOLLOWER,)), "role"),
        (replace(GATEWAY, problems=("x" * 70_000,)), "report"),
        (below(wire.DEPTH_MAX + 1), "nodes"),
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_what_would_harm_others_is_refused(report, field, nested):
    """Whoever passes it on, or shows it, could not; a primary is none's downstream."""
    if nested and field != "report":
        report = replace(FOLLOWER, nodes=(report,))
    with pytest.raises(errors.Invalid) as raised:
        wire.decode_report(codec.encode(report))
    assert raised.value.field == field


def test_what_a_node_says_itself_has_no_age():
    """Or who passes it on, and adds to that, would be refused."""
    report = replace(GATEWAY, age_s=wire.AGE_S_MAX)
    assert wire.decode_report(codec.encode(report)) == GATEWAY


@pytest.mark.parametrize("name", ["head", "connected"])
def test_a_number_that_cannot_be_encoded_is_refused(name):
    """JSON has such numbers."""
    raw = codec.encode(GATEWAY)[:-1] + f',"{name}":{2**64}}}'.encode()
    with pytest.raises(errors.Invalid):
        wire.decode_report(raw)
