"""Requests over a real socket: what a device may answer, and when it does not."""

import errno
import queue
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import pytest

from tests import builders
from wig.linux import uapi
from wig.linux.refusal import Refused
from wig.steps import PeerChange


@pytest.fixture
def device(tmp_path):
    """A socket that answers each request with the next of some texts, cut in pieces."""
    path = tmp_path / "wg0.sock"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()
    asked = []
    scripts: queue.SimpleQueue[tuple] = queue.SimpleQueue()
    later: list[tuple] = []

    def serve():
        while pieces := scripts.get():
            with listener.accept()[0] as connection, suppress(BrokenPipeError):
                while pieces:
                    asked.append(connection.recv(1 << 16))
                    for piece in pieces:
                        connection.sendall(piece() if callable(piece) else piece)
                    pieces = later.pop(0) if later else ()

    def answer(*pieces):
        scripts.put(pieces)
        return path

    answer.asked, answer.later = asked, later
    with ThreadPoolExecutor(1) as threads:
        served = threads.submit(serve)
        yield answer
        scripts.put(())
        listener.shutdown(socket.SHUT_RDWR)  # a test that failed may have left it waiting
        with suppress(OSError):
            served.result()
    listener.close()


def test_an_answer_is_put_together(device):
    """However it was cut; its last lines say only that all went well."""
    path = device(b"listen_port=1\nfwm", b"ark=2\nerr", b"no=0\n", b"\n")

    assert uapi.read(path) == b"listen_port=1\nfwmark=2\n"
    assert device.asked == [b"get=1\n\n"]


def test_a_refusal_says_why(device):
    """With the operating system's word for the number."""
    with pytest.raises(Refused, match="the device says: Address already in use") as caught:
        uapi.request(device(b"errno=-98\n\n"), b"set=1\nlisten_port=1\n\n")

    assert caught.value.number == errno.EADDRINUSE


def test_the_next_request_is_made_while_the_device_works(device):
    """And a refusal is of one request, not of the one after it."""
    made = threading.Event()
    path = device(lambda: made.wait(5) and b"errno=-22\n\n")

    def texts():
        yield b"set=1\nfwmark=1\n\n"
        device(b"errno=0\n\n")
        made.set()
        yield b"set=1\nfwmark=2\n\n"

    with closing(uapi.Connection(path)) as connection:
        first, second = uapi.in_turn(connection, texts())

    assert (first.number, second) == (errno.EINVAL, None)
    assert device.asked == [b"set=1\nfwmark=1\n\n", b"set=1\nfwmark=2\n\n"]


def test_one_connection_serves_request_after_request(device):
    """The second answer comes on it too, after a request that nobody had to accept."""
    device.later.append((b"fwmark=2\nerrno=0\n\n",))
    with closing(uapi.Connection(device(b"fwmark=1\nerrno=0\n\n"))) as connection:
        answers = []
        for number in range(2):
            connection.send(b"get=%d\n\n" % number)
            answers.append(connection.answer())

    assert answers == [b"fwmark=1\n", b"fwmark=2\n"]
    assert device.asked == [b"get=0\n\n", b"get=1\n\n"]


@pytest.mark.parametrize("last", [b"fwmark=2\nerrno=0\n\n", b"errno=-22\n\n"])
def test_a_connection_that_was_closed_is_made_anew(device, last):
    """Others close theirs after each answer; and a device that refuses is not asked on the same."""
    with closing(uapi.Connection(device(b"errno=0\n\n"))) as connection:
        connection.send(b"set=1\n\n")
        connection.answer()
        device(last)
        connection.send(b"set=2\n\n")
        with suppress(Refused):
            assert connection.answer() == b"fwmark=2\n"
        device(b"errno=0\n\n")
        connection.send(b"set=3\n\n")
        assert connection.answer() == b""

    assert device.asked == [b"set=1\n\n", b"set=2\n\n", b"set=3\n\n"]


def test_a_request_that_a_closing_device_read_is_sent_again(device):
    """Its process ended meanwhile, say, and another has taken its place."""
    device.later.append((b"",))
    with closing(uapi.Connection(device(b"errno=0\n\n"))) as connection:
        connection.send(b"set=1\n\n")
        connection.answer()
        device(b"fwmark=2\nerrno=0\n\n")
        connection.send(b"set=2\n\n")
        assert connection.answer() == b"fwmark=2\n"

    assert device.asked == [b"set=1\n\n", b"set=2\n\n", b"set=2\n\n"]


def test_an_answer_that_nobody_took_is_not_taken_for_another(device):
    """A request could not be made while the device worked on the one before."""

    def texts():
        yield b"get=1\n\n"
        raise MemoryError

    with closing(uapi.Connection(device(b"fwmark=1\nerrno=0\n\n"))) as connection:
        with pytest.raises(MemoryError):
            next(uapi.in_turn(connection, texts()))
        device(b"fwmark=3\nerrno=0\n\n")
        connection.send(b"get=2\n\n")

        assert connection.answer() == b"fwmark=3\n"


def test_an_answer_that_breaks_off_is_an_error(device):
    """A device that died in the middle said nothing."""
    with pytest.raises(OSError, match="closed its socket"):
        uapi.request(device(b"errno="), b"get=1\n\n")


def test_nobody_there_is_an_error(tmp_path):
    """The caller knows whether there should be somebody."""
    with pytest.raises(OSError, match="No such file"):
        uapi.read(tmp_path / "wg0.sock")


def test_changes_are_cut_into_pieces():
    """All of them, in order, each of a good size."""
    changes = [PeerChange(public_key=builders.key(number)) for number in range(1201)]

    pieces = list(uapi.chunks(changes))

    assert [len(piece) for piece in pieces] == [500, 500, 201]
    assert [change for piece in pieces for change in piece] == changes
    assert list(uapi.chunks([])) == []
