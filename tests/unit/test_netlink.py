"""Messages from the kernel that are not as they should be."""

import errno
import struct

import pytest

from tests import builders, kernel_dump
from wig.device import Device
from wig.linux import netlink_dump

DEVICE = Device(builders.private_key("wg0"), 51820, 0, {})


def test_an_errno_is_told():
    """Of a request, and of a dump that ends too early; an acknowledgement has none."""
    data = kernel_dump.refused(errno.ENODEV) + kernel_dump.ended(errno.EPERM)
    data += kernel_dump.refused(0)

    found = list(netlink_dump.replies(data))

    assert [reply.error for reply in found] == [errno.ENODEV, errno.EPERM, 0]
    assert all(reply.last for reply in found)


def test_a_dump_of_a_device_that_changes_is_marked():
    """Whoever reads it begins again."""
    data = kernel_dump.messages(DEVICE, flags=netlink_dump.NLM_F_DUMP_INTR)[0]

    (reply,) = netlink_dump.replies(data)

    assert reply.flags & netlink_dump.NLM_F_DUMP_INTR


@pytest.mark.parametrize("size", [1, 15, 16, 40])
def test_a_message_that_is_cut_is_an_error(size):
    """Nothing is taken for a shorter device."""
    data = kernel_dump.messages(DEVICE)[0]

    with pytest.raises(ValueError, match="a message"):
        list(netlink_dump.replies(data[:size]))


def test_an_attribute_beyond_its_message_is_an_error():
    """Nothing is read from what comes after it."""
    data = kernel_dump.messages(DEVICE)[0]
    longer = data[:20] + struct.pack("=H", 1000) + data[22:]
    (reply,) = netlink_dump.replies(longer)

    with pytest.raises(ValueError, match="an attribute that is longer"):
        netlink_dump.Dump().add(longer, reply)
