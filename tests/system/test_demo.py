"""The demo keeps what it promises."""

import subprocess
import sys

from tests.lab import need


def test_the_demo_tells_its_story_in_under_a_minute():
    """To its end, and every claim of it is checked on the way."""
    need()

    done = subprocess.run(
        [sys.executable, "-m", "tests.demo"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "none lost" in done.stdout
    assert "That was wig" in done.stdout
