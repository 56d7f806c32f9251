"""Looking for addresses where none may be: in every file that the programs of a host can write."""

import ipaddress
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.lab.host import Host

_INERT = ("/dev/", "/proc/", "/sys/", "/memfd:")


class Find(NamedTuple):
    """An address that somebody wrote down."""

    place: str
    """A file, or what was asked for."""
    address: str
    form: str


def forms(address: str) -> Iterator[tuple[str, re.Pattern[bytes]]]:
    """Yield all ways in which programs write an address, and what finds each."""
    ip = ipaddress.ip_address(address)
    texts = {"text": ip.compressed, "long text": ip.exploded, "number": str(int(ip))}
    if isinstance(ip, ipaddress.IPv4Address):
        mapped = ipaddress.IPv6Address(b"\0" * 10 + b"\xff\xff" + ip.packed)
        texts["text of IPv6"] = mapped.compressed
    for form, text in texts.items():
        around = "[0-9]" if form == "number" else "[0-9a-f:]" if ":" in text else "[0-9.]"
        pattern = f"(?<!{around}){re.escape(text)}(?!{around.replace('.', '').replace(':', '')})"
        yield form, re.compile(pattern.encode(), re.IGNORECASE)
    yield "hexadecimal", re.compile(ip.packed.hex().encode(), re.IGNORECASE)
    for form, raw in {"binary": ip.packed, "binary, backwards": ip.packed[::-1]}.items():
        yield form, re.compile(re.escape(raw), re.DOTALL)


class Hunt:
    """A search for addresses."""

    def __init__(self, *addresses: str) -> None:
        self._wanted = [
            (address, form, pattern) for address in addresses for form, pattern in forms(address)
        ]
        self.bytes = 0
        """How many have been searched."""

    def search(self, place: str, content: bytes) -> Iterator[Find]:
        """Yield what is in there."""
        self.bytes += len(content)
        for address, form, pattern in self._wanted:
            if pattern.search(content):
                yield Find(place, address, form)

    def everywhere(
        self, hosts: Mapping[Host, Iterable[Path]], said: Mapping[str, str]
    ) -> list[Find]:
        """Search the directories of each host, its /run, what its programs have open, and `said`.

        Fails if a program can write to a file that is not among them.
        """
        found = [find for what, text in said.items() for find in self.search(what, text.encode())]
        for host, directories in hosts.items():
            roots = [*directories, Path(f"/proc/{host.pid}/root/run")]
            for path in (path for root in roots for path in root.rglob("*")):
                found += self._file(path)
            inside = [str(root) for root in (*directories, Path("/run"))]
            for link, target in _writable(host):
                assert target.startswith(tuple(inside)), f"{host.name} writes to {target}"
                found += self._file(link)
        return found

    def _file(self, path: Path) -> Iterator[Find]:
        try:
            if stat.S_ISREG(path.stat().st_mode):
                yield from self.search(str(path), path.read_bytes())
        except FileNotFoundError:  # a program has just removed it
            return


def _writable(host: Host) -> Iterator[tuple[Path, str]]:
    """Yield the files that programs of a host have open for writing, and their names there."""
    namespace = Path(f"/proc/{host.pid}/ns/pid").readlink()
    ours = {str(Path(f"/proc/self/fd/{number}").readlink()) for number in (1, 2)}  # pytest's own
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "ns/pid").readlink() != namespace:
                continue
            for link in (process / "fd").iterdir():
                target = str(link.readlink())
                if target.startswith("/") and not target.startswith(_INERT) and target not in ours:
                    flags = (
                        (process / "fdinfo" / link.name).read_text().split("flags:")[1].split()[0]
                    )
                    if int(flags, 8) & os.O_ACCMODE != os.O_RDONLY:
                        yield link, target.removesuffix(" (deleted)")
        except (FileNotFoundError, ProcessLookupError, PermissionError):  # ended, or not a host's
            continue
