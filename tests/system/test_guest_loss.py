"""What must not cost a connected client one packet, with the kernel's WireGuard, in a guest."""

from pathlib import Path

import pytest

from tests.lab import guest_tests

LOSS = Path("tests/system/test_gateway_loss.py")


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Return what each test came to."""
    return guest_tests.run(tmp_path_factory.mktemp("guest"), f"{LOSS} -k kernel --durations 0 -vv")


@pytest.mark.timeout(guest_tests.TIMEOUT_S + 60)
@pytest.mark.parametrize("name", guest_tests.names_in(LOSS))
def test_the_kernel_loses_nothing(outcomes, name):
    """A test with a stream of packets, as with the userspace WireGuard."""
    guest_tests.require(outcomes, name)
