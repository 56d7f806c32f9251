"""Log lines: one a record, with its fields."""

import logging

import pytest

from wig_cli import log_format


def line(message="started", *, journal=False, **extra):
    record = logging.makeLogRecord(
        {"name": "bridge.x", "levelname": "INFO", "levelno": 20, "msg": message, "created": 0.5}
        | extra
    )
    return log_format.Formatter(journal=journal).format(record)


def test_a_line_has_time_level_origin_message_and_fields():
    """What an operator greps for is all in one line."""
    assert line(server="nats://x:1", seq=7) == (
        "1970-01-01T00:00:00.500Z INFO bridge.x: started server=nats://x:1 seq=7"
    )


def test_the_journal_gets_a_priority_instead_of_the_time():
    """The journal has the time already, and filters by priority."""
    assert line(journal=True) == "<6> bridge.x: started"


@pytest.mark.parametrize("text", ["two words", "two\nlines"])
def test_values_stay_in_their_line(text):
    """A value with spaces is in quotes, a newline is escaped."""
    assert line(reason=text).endswith(f"reason={text!r}")
