"""A device's peers in bulk, from a real socket: cut anywhere, in any order, or broken off."""

import os
import socket
import threading

import pytest

from tests import builders
from wig.device import Device, DevicePeer, Endpoint
from wig.linux import samples
from wig.linux.refusal import Refused
from wig.samples import Sample

HEAD = b"private_key=%s\nlisten_port=51820\n" % (b"1" * 64)


def section(number):
    """Return a peer as wireguard-go writes it, and what is to be read."""
    key = number.to_bytes(32, "big")
    endpoint = b"[2001:db8::%x]:9" % number if number % 3 else b""
    text = b"public_key=%s\npreshared_key=%s\nprotocol_version=1\n" % (
        key.hex().encode(),
        b"0" * 64,
    )
    text += b"endpoint=%s\n" % endpoint if endpoint else b""
    text += b"last_handshake_time_sec=%d\nlast_handshake_time_nsec=5\n" % number
    text += b"tx_bytes=%d\nrx_bytes=%d\npersistent_keepalive_interval=0\n" % (2 * number, number)
    text += b"allowed_ip=10.0.0.1/32\n" * (number % 2)
    return text, Sample(
        samples.b2a_base64(key, newline=False).decode(),
        number,
        number,
        2 * number,
        Endpoint(endpoint.decode()) if endpoint else None,
    )


@pytest.fixture
def device(tmp_path):
    """A socket that answers one request with some texts."""
    path = tmp_path / "wg0.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        threads = []

        def answer(*pieces):
            def serve():
                with listener.accept()[0] as connection:
                    assert connection.recv(100) == b"get=1\n\n"
                    for piece in pieces:
                        connection.sendall(piece)

            threads.append(threading.Thread(target=serve))
            threads[-1].start()
            return path

        yield answer
        for thread in threads:
            thread.join()


def read(path):
    return [one for batch in samples.read(path) for one in batch]


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_it_is_read_however_it_is_cut(device, monkeypatch, size):
    """Also when what is parsed at once is less than a peer."""
    monkeypatch.setattr(samples, "PIECE_BYTES", size)
    texts, wanted = zip(*map(section, range(1, 20)), strict=True)
    text = HEAD + b"".join(texts) + b"errno=0\n\n"

    path = device(*(text[at : at + 11] for at in range(0, len(text), 11)))

    assert read(path) == list(wanted)


def test_a_large_device_comes_in_pieces(device):
    """None of them takes long."""
    texts, wanted = zip(*map(section, range(1, 3000)), strict=True)

    batches = list(samples.read(device(HEAD, b"".join(texts), b"errno=0\n\n")))

    assert max(map(len, batches)) < 2000
    assert [one for batch in batches for one in batch] == list(wanted)


def test_another_order_of_lines_is_read_as_well(device):
    """As other programs than wireguard-go may write it."""
    text, wanted = section(4)
    first, *rest = text.splitlines(keepends=True)

    path = device(first, *reversed(rest), b"errno=0\n\n")

    assert read(path) == [wanted]


def test_a_device_without_peers_has_none(device):
    """Its own lines are not a peer's."""
    assert read(device(HEAD, b"errno=0\n\n")) == []


def test_an_answer_that_breaks_off_is_an_error(device):
    """What was read so far is not all."""
    with pytest.raises(ConnectionResetError):
        read(device(HEAD, section(1)[0]))


def test_a_refusal_says_why(device):
    """With the operating system's word for the number."""
    with pytest.raises(Refused, match="Permission denied"):
        read(device(b"errno=-13\n\n"))


def test_a_whole_device_is_cut_into_batches():
    """For backends that read a device as a whole."""
    count = 2 * samples.BATCH_PEERS + 1
    peer = DevicePeer(None, (), 0, Endpoint("192.0.2.1:1"), 3, 4, 5)
    keys = [builders.key(number) for number in range(count)]

    batches = list(samples.of_device(Device(None, 0, 0, dict.fromkeys(keys, peer))))

    assert list(map(len, batches)) == [samples.BATCH_PEERS, samples.BATCH_PEERS, 1]
    assert [one for batch in batches for one in batch] == [
        Sample(key, 3, 4, 5, Endpoint("192.0.2.1:1")) for key in keys
    ]


def test_no_repr_shows_where_a_client_is():
    """Of a sample, and so of everything that has one in it."""
    assert "192.0.2" not in repr(Sample(os.urandom(3).hex(), 1, 2, 3, Endpoint("192.0.2.1:1")))
