"""Errors: their text, and their way over the wire."""

import pytest

from wig import errors

EVERY_KIND = [pytest.param(kind, id=code) for code, kind in errors.BY_CODE.items()]


def _leaves(kind: type[errors.WigError]) -> set[type[errors.WigError]]:
    # Others may refine them, such as `bridge.connection.Disconnected`: on the wire that is lost.
    below = [one for one in kind.__subclasses__() if one.__module__ == errors.__name__]
    return {kind} if not below else set().union(*map(_leaves, below))


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_an_error_survives_the_wire(kind):
    """Kind, message, field and hint arrive as they were raised."""
    sent = kind("port: '0' is not a port", field="port", hint="take another")

    got = errors.from_body(sent.body())

    assert type(got) is kind
    assert (got.message, got.field, got.hint) == (sent.message, "port", "take another")


def test_every_kind_that_is_raised_has_a_code():
    """The leaves of the tree are exactly what the wire knows."""
    assert set(errors.BY_CODE.values()) == _leaves(errors.WigError)


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_the_docstring_is_the_default_message(kind):
    """An error without a message says what its kind means."""
    assert str(kind()) == kind.__doc__


def test_an_unknown_code_is_still_an_error():
    """A newer primary may know errors that this program does not."""
    got = errors.from_body(errors.ErrorBody(code="brand_new", message="so it is"))

    assert type(got) is errors.WigError
    assert str(got) == "so it is"


def test_every_error_says_whether_to_retry():
    """Each kind is permanent or temporary, never both."""
    for kind in errors.BY_CODE.values():
        assert issubclass(kind, errors.Permanent) != issubclass(kind, errors.Temporary)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param("wg0", "'wg0'", id="short"),
        pytest.param(7, "'7'", id="number"),
        pytest.param("a\nb", r"'a\nb'", id="control"),
        pytest.param("x" * 100, "'" + "x" * 58 + "…", id="long"),
    ],
)
def test_values_are_quoted_on_one_short_line(value, shown):
    """A message never breaks a line, and never repeats a megabyte."""
    assert errors.quoted(value) == shown
