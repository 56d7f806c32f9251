"""What needs the kernel's WireGuard, on a kernel that has it: the host's contract, and devices."""

from pathlib import Path

import pytest

from tests.lab import guest_tests

CONTRACT = Path("tests/contract/test_host.py")
DEVICES = Path("tests/system/test_kernel_devices.py")


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Return what each test came to."""
    chosen = f'{CONTRACT} {DEVICES} -k "not fake and not userspace"'
    return guest_tests.run(tmp_path_factory.mktemp("guest"), chosen)


@pytest.mark.timeout(guest_tests.TIMEOUT_S + 60)
@pytest.mark.parametrize("name", [*guest_tests.names_in(CONTRACT), *guest_tests.names_in(DEVICES)])
def test_the_kernel_passes(outcomes, name):
    """A test of the host's contract, or of devices."""
    guest_tests.require(outcomes, name)
