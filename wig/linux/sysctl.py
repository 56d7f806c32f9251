"""The kernel's parameters under /proc/sys/net, of the network namespace that we run in.

Called by `host`. A key is the path below /proc/sys: names of interfaces may contain dots, so the
usual dotted form is ambiguous.
"""

from pathlib import Path

from wig import errors
from wig.wanted import FORWARDING, RP_FILTER

ROOT = Path("/proc/sys")
_ACCEPT_RA = "net/ipv6/conf/*/accept_ra"
_NO_NETWORKS = frozenset({"all", "default", "lo"})


def observe() -> dict[str, str]:
    """Return forwarding, and what interfaces do with router advertisements and odd sources."""
    strictness = (str(path.relative_to(ROOT)) for path in ROOT.glob(RP_FILTER.format("*")))
    keys = [*FORWARDING.values(), *_accept_ra_keys(), *strictness]
    return {key: value for key in keys if (value := read(key)) is not None}


def _accept_ra_keys() -> list[str]:
    return [
        str(path.relative_to(ROOT))
        for path in ROOT.glob(_ACCEPT_RA)
        if path.parent.name not in _NO_NETWORKS
    ]


_ALSO_CHANGED = {
    FORWARDING[4]: ("net/ipv4/conf/*/forwarding", "net/ipv4/conf/*/accept_redirects"),
    FORWARDING[6]: ("net/ipv6/conf/*/forwarding",),
}
"""What the kernel changes along with a parameter (Linux, net/ipv4/devinet.c and
net/ipv6/addrconf.c): it does not come back by itself when the parameter does."""


def before(key: str) -> dict[str, str]:
    """Return the values that setting `key` changes, itself first."""
    also = (
        str(path.relative_to(ROOT))
        for glob in _ALSO_CHANGED.get(key, ())
        for path in ROOT.glob(glob)
    )
    return {each: value for each in (key, *also) if (value := read(each)) is not None}


def restore(key: str, value: str) -> None:
    """Put a value back; one of an interface that is gone is left out. Raises `Unusable`."""
    if read(key) not in {value, None}:
        write(key, value)


def read(key: str) -> str | None:
    """Return the value; None: this kernel has no such parameter, or no longer."""
    try:
        return (ROOT / key).read_text(encoding="ascii").strip()
    except OSError:
        return None


def write(key: str, value: str) -> None:
    """Set the value, or raise `Unusable`."""
    try:
        (ROOT / key).write_text(value, encoding="ascii")
    except OSError as error:
        raise errors.Unusable(
            f"cannot set {key} to {value}: {error.strerror}",
            hint="in a container, set it on the host, or start with --privileged",
        ) from error
