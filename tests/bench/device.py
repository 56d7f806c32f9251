"""Something that answers like a wireguard-go with very many peers: `python -m … SOCKET PEERS`.

Each time it is asked, all counters and handshakes have gone on.
"""

import os
import socket
import sys

_PEER = (
    "public_key={key}\npreshared_key={none}\nprotocol_version=1\nendpoint={endpoint}\n"
    "last_handshake_time_sec={handshake}\nlast_handshake_time_nsec=123456789\n"
    "tx_bytes={bytes}\nrx_bytes={bytes}\npersistent_keepalive_interval=0\n"
    "allowed_ip=10.{high}.{middle}.{low}/32\n"
)


def text(keys: list[str], turn: int) -> bytes:
    """Return the device as it is when it is asked for the `turn`-th time."""
    return "".join(
        _PEER.format(
            key=key,
            none="0" * 64,
            endpoint=f"198.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}:51820",
            handshake=1_790_000_000 + 120 * turn,
            bytes=(turn + 1) * (number + 1_000_000),
            high=number >> 16 & 255,
            middle=number >> 8 & 255,
            low=number & 255,
        )
        for number, key in enumerate(keys)
    ).encode()


def main() -> None:
    path, peers = sys.argv[1], int(sys.argv[2])
    keys = [os.urandom(32).hex() for _ in range(peers)]
    texts = [text(keys, turn) for turn in range(2)]
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen()
        turn = 0
        while True:
            with listener.accept()[0] as connection:
                connection.recv(100)
                connection.sendall(b"listen_port=51820\n" + texts[turn % 2] + b"errno=0\n\n")
                turn += 1


if __name__ == "__main__":
    main()
