"""Objects as the program shows them: every field there, in one order.

Called by the command modules. On the wire a field with its default value is left out; JSON output
promises all fields, so that a program need not know the defaults.
"""

from typing import Any

from wig.model import MTU_DEFAULT

Fields = dict[str, Any]

DEFAULTS: dict[str, Fields] = {
    "interface": {
        "name": "", "port": 0, "public_key": "", "addresses": [], "mtu": MTU_DEFAULT, "dns": [],
        "description": "", "revision": "",
    },
    "peer": {
        "public_key": "", "interface": "", "ip": None, "ip6": None, "name": "", "description": "",
        "enabled": True, "expire": None, "rate_limit": None, "created": None,
        "has_preshared_key": False, "revision": "",
    },
    "node": {
        "name": "", "role": "", "version": "", "instance": "", "position": None, "head": 0,
        "upstream": "", "lag_entries": 0, "lag_s": 0.0, "behind_since": None, "since": None,
        "seen": None, "problems": [], "draining": False, "connected": None,
    },
    "token": {"id": "", "role": "", "description": "", "created": None, "revision": ""},
}  # fmt: skip
"""Every field of each kind, and what its absence means."""


def complete(kind: str, thing: Fields) -> Fields:
    """Return an object with all of its fields."""
    return DEFAULTS[kind] | thing


def changed(kind: str, result: Fields) -> Fields:
    """Return the result of a create or an update with all of its fields."""
    return {
        kind: complete(kind, result[kind]),
        "unchanged": bool(result.get("unchanged", False)),
    }
