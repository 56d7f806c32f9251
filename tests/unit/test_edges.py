"""Which edge is next, whatever has become of the stream."""

import pytest

from wig import edges
from wig.edges import Mark, Resume, Stored

OURS = "0a1b"


@pytest.mark.parametrize(
    ("stored", "mark", "resume"),
    [
        pytest.param(Stored("", 0, 0), None, Resume(0, anew=True), id="the first start"),
        pytest.param(Stored("", 0, 3), Mark("ff", 9), Resume(0, anew=True), id="another's stream"),
        pytest.param(Stored(OURS, 5, 9), None, Resume(5), id="the stream is gone, or empty"),
        pytest.param(Stored(OURS, 5, 9), Mark(OURS, 5), Resume(5), id="as it was left"),
        pytest.param(Stored(OURS, 5, 9), Mark(OURS, 7), Resume(7), id="it accepted more"),
        pytest.param(Stored(OURS, 5, 9), Mark(OURS, 9), Resume(9), id="it accepted everything"),
        pytest.param(Stored(OURS, 5, 9), Mark(OURS, 3), Resume(3), id="it lost its end"),
        pytest.param(Stored(OURS, 5, 9), Mark("ff", 7), Resume(5), id="somebody else's end"),
        pytest.param(
            Stored(OURS, 5, 9), Mark(OURS, 12), Resume(9, anew=True, lost=(10, 12)),
            id="the database is an older copy",
        ),
    ],
)  # fmt: skip
def test_no_edge_is_published_twice_or_left_out(stored, mark, resume):
    """The end of the stream says what is in it; without one, what was heard of it does."""
    assert edges.resume(stored, mark) == resume


@pytest.mark.parametrize("mark", [Mark("0a1b", 1), Mark("ff", 123456789)])
def test_a_mark_survives_its_message(mark):
    """It is read as it was written."""
    assert edges.parse_mark(mark.text) == mark


@pytest.mark.parametrize("text", [None, "", "7", "0a:", ":7", "0a:7:8", "xy:7", "0a:7\n"])
def test_other_ids_are_no_marks(text):
    """Somebody published something else."""
    assert edges.parse_mark(text) is None
