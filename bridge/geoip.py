"""Where a client's address is: country and network, from files in MaxMind's format.

Called by the gateway's statistics, in a thread. Only what is found leaves: the address stays where
it was. The files are GeoLite2's (Country or City, and ASN), or others with the same fields. They
are copied into memory, so that whoever writes over one in place disturbs nobody, and looked at
again when they change. A file that is missing or broken is said once; then there are no places, or
those of the file that was there before.
"""

import logging
import os
import shutil
from functools import lru_cache
from pathlib import Path
from typing import Any

import maxminddb

from wig import stats
from wig.device import Endpoint

logger = logging.getLogger(__name__)

PLACES_MAX = 10_000
"""So many are one object each, whoever is there; two megabytes."""

# Words of which one is in the type of a file (`database_type`, MaxMind DB File Format 2.0).
COUNTRY = ("Country", "City", "Enterprise")
ASN = ("ASN", "ISP", "Enterprise")

NOWHERE = stats.Place()

_Stamp = tuple[int, int, int] | None
"""Which file it is: inode, size and time of its last change; None: there is none."""


class _File:
    """One file, as it was when it could last be read."""

    def __init__(self, path: Path, kinds: tuple[str, ...]) -> None:
        self._path = path
        self._kinds = kinds
        self._looked = False
        self._stamp: _Stamp = None
        self._reader: maxminddb.Reader | None = None

    def refresh(self) -> bool:
        """Read the file if it has changed; say whether that made a difference."""
        stamp = _stamp(self._path)
        if self._looked and stamp == self._stamp:
            return False
        self._looked, self._stamp = True, stamp
        try:
            self._reader = reader = _open(self._path, self._kinds)
        except OSError as error:
            self._warn(error.strerror or type(error).__name__)
            return False
        except ValueError as error:
            self._warn(str(error))
            return False
        fields = {"file": str(self._path), "made": reader.metadata().build_epoch}
        logger.info("places read", extra=fields)
        return True

    def get(self, address: str) -> dict[str, Any]:
        """Return what the file has about an address; nothing: an empty dict."""
        if self._reader is None:
            return {}
        try:
            found = self._reader.get(address)
        except maxminddb.InvalidDatabaseError:
            self._reader = None
            self._warn("it is damaged")
            return {}
        except ValueError:  # an IPv6 address, and a file that knows IPv4 only
            return {}
        return found if isinstance(found, dict) else {}

    def _warn(self, reason: str) -> None:
        kept = "those of before" if self._reader else "none"
        fields = {"file": str(self._path), "reason": reason, "places": kept}
        logger.warning("places not readable", extra=fields)


def _stamp(path: Path) -> _Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _open(path: Path, kinds: tuple[str, ...]) -> maxminddb.Reader:
    """Return a reader of a private copy of the file; raise OSError, or ValueError if it is unfit.

    The reader maps the file into memory: if somebody cut the file itself short, the next look-up
    would kill the process (SIGBUS).
    """
    with open(os.memfd_create("wig-geoip"), "wb") as copy, path.open("rb") as file:  # noqa: PTH123
        shutil.copyfileobj(file, copy)
        copy.flush()
        try:
            reader = maxminddb.open_database(f"/proc/self/fd/{copy.fileno()}")
        except maxminddb.InvalidDatabaseError as error:
            raise ValueError("it is no MaxMind database, or not whole") from error
    kind = reader.metadata().database_type
    if not any(word in kind for word in kinds):
        reader.close()
        raise ValueError(f"its type is {kind!r}, and has none of {', '.join(kinds)} in it")
    return reader


class GeoIP:
    """The files that know places. One thread at a time."""

    def __init__(self, country: Path | None = None, asn: Path | None = None) -> None:
        """Read nothing yet; a file that is None is not asked."""
        self._country = None if country is None else _File(country, COUNTRY)
        self._asn = None if asn is None else _File(asn, ASN)
        self.version = 0
        """Another one: what was found before may not be true any more."""

    def refresh(self) -> None:
        """Read the files that have changed since the last time."""
        changed = [file.refresh() for file in (self._country, self._asn) if file is not None]
        self.version += any(changed)

    def find(self, endpoint: Endpoint) -> stats.Place | None:
        """Return where an address is; None: nothing is known of it."""
        address = _host(endpoint.reveal())
        country = self._country.get(address) if self._country is not None else {}
        network = self._asn.get(address) if self._asn is not None else {}
        found = _place(
            _text(country.get("country"), "iso_code"),
            _number(network, "autonomous_system_number"),
            _text(network, "autonomous_system_organization"),
        )
        return None if found == NOWHERE else found


_place = lru_cache(PLACES_MAX)(stats.place)


def _host(endpoint: str) -> str:
    """Return the address of `192.0.2.1:51820`, `[2001:db8::1]:51820` or `[fe80::1%2]:51820`."""
    address = endpoint.rpartition(":")[0].strip("[]").partition("%")[0]
    return address.removeprefix("::ffff:") if "." in address else address


def _text(record: Any, name: str) -> str:
    """Return a text of a record; empty: it has none there."""
    found = record.get(name) if isinstance(record, dict) else None
    return found if isinstance(found, str) else ""


def _number(record: dict[str, Any], name: str) -> int:
    """Return a number of a record; 0: it has none there."""
    found = record.get(name)
    return found if isinstance(found, int) else 0
