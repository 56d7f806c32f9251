"""How much gets through: `python pour.py serve PORT`, and `python pour.py up|down HOST PORT S`.

One TCP connection for so many seconds; the client prints, as JSON, what has arrived at the
receiver (bytes so far) every tenth of a second. A file of its own without imports from the
project: it starts at once.
"""

import json
import socket
import sys
import threading
import time

TICK_S = 0.1
CHUNK = bytes(65536)


def receive(connection: socket.socket, seconds: float) -> list[int]:
    """Return how many bytes have arrived at the end of each tick."""
    counts: list[int] = []
    total = 0
    begin = time.monotonic()
    connection.settimeout(TICK_S / 4)
    while (passed := time.monotonic() - begin) < seconds:
        while len(counts) < int(passed / TICK_S):
            counts.append(total)
        try:
            data = connection.recv(1 << 20)
        except TimeoutError:
            continue
        if not data:
            break
        total += len(data)
    return counts


def send(connection: socket.socket, seconds: float) -> None:
    """Send as much as the other end takes."""
    connection.settimeout(TICK_S)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            connection.send(CHUNK)
        except TimeoutError:
            continue
        except OSError:
            return


def answer(connection: socket.socket) -> None:
    """Do the other half of what a client asks for."""
    with connection:
        direction, seconds = connection.recv(64).decode().split()
        if direction == "down":
            send(connection, float(seconds) + 1)
            return
        counts = receive(connection, float(seconds))
        connection.settimeout(5)
        connection.sendall(json.dumps(counts).encode())


def serve(port: int) -> None:
    """Answer clients of both IP versions until killed."""
    with socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        print("ready", flush=True)
        while True:
            connection, _ = server.accept()
            threading.Thread(target=answer, args=(connection,), daemon=True).start()


def ask(direction: str, host: str, port: int, seconds: float) -> list[int]:
    """Return what has arrived at the receiver."""
    with socket.create_connection((host, port), timeout=5) as connection:
        connection.sendall(f"{direction} {seconds}".encode())
        if direction == "down":
            return receive(connection, seconds)
        time.sleep(TICK_S)  # or the first chunk would arrive with the question
        send(connection, seconds)
        connection.settimeout(10)
        counts: list[int] = json.loads(connection.recv(1 << 20))
        return counts


def main() -> None:
    """Serve, or ask."""
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
    else:
        direction, host, port, seconds = sys.argv[1:]
        print(json.dumps(ask(direction, host, int(port), float(seconds))))


if __name__ == "__main__":
    main()
