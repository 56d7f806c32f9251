"""The program behind `WebServer`: `python serve_web.py LOG`.

It serves a page, and at `/NUMBER` so many bytes, over IPv4 and IPv6, and writes one line
`ADDRESS PATH` for each request.
"""

import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PAGE = b"<h1>Hello from the Internet</h1>\n"
PORT = 80
_MAPPED = "::ffff:"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    log: Path

    def do_GET(self) -> None:
        digits = self.path.strip("/")
        body = bytes(int(digits)) if digits.isdigit() else PAGE
        with self.log.open("a") as log:
            log.write(f"{self.client_address[0].removeprefix(_MAPPED)} {self.path}\n")
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True


def main() -> None:
    """Serve for ever."""
    _Handler.log = Path(sys.argv[1])
    _Server(("::", PORT), _Handler).serve_forever()


if __name__ == "__main__":
    main()
