"""The table `inet wig` of this host: loaded as a whole, its limits also one by one, and watched.

Called by `host`. Nothing outside the table is touched. What the kernel has is compared with what
was loaded only after somebody's transaction: a listing of 20,000 limits takes a second.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET, UnsetType

from wig import errors
from wig.device import FirewallConfig, Limit
from wig.linux import firewall, limits, nft, nft_batch

_FAMILY, _NAME = firewall.TABLE.split()


class Table:
    """What this process has loaded."""

    def __init__(self) -> None:
        """Know of nothing: an earlier process may have loaded it."""
        self._loaded: FirewallConfig | None = None
        self._limits: dict[str, Limit] = {}
        self._rest: list[dict[str, Any]] | None = None
        self._generation: int | None = None

    def load(self, config: FirewallConfig | None) -> None:
        """Replace the table, in one transaction; None removes it."""
        self._loaded, self._rest = None, None
        nft.run(firewall.ruleset(config))
        if config is None:
            return
        generation = nft.generation()
        self._rest = limits.rest(nft.listing(_FAMILY, _NAME) or [])
        self._loaded, self._limits = config, dict(config.limits)
        self._generation = generation

    def set_limits(self, changes: Mapping[str, Limit | None]) -> None:
        """Change the limits of some peers, in one transaction."""
        if self._loaded is None:
            raise errors.Unusable("the table is not loaded")
        found = limits.changes(
            (key, before, after)
            for key, after in changes.items()
            if (before := self._limits.get(key)) != after
        )
        if not found:
            return
        generation = nft.generation()
        nft_batch.send(nft_batch.encode(_NAME, found))
        for key, after in changes.items():
            if after is None:
                self._limits.pop(key, None)
            else:
                self._limits[key] = after
        if self._generation == generation and nft.generation() == generation + 1:
            self._generation = generation + 1  # nobody else came in between

    def observe(self) -> FirewallConfig | None | UnsetType:
        """Return what is loaded. None: no table. UNSET: not what this process has loaded."""
        generation = nft.generation()
        if self._loaded is None or generation != self._generation:
            listing = nft.listing(_FAMILY, _NAME)
            if listing is None:
                return None
            if self._loaded is None or not self._holds(listing):
                return UNSET
            self._generation = generation
        return FirewallConfig(interfaces=self._loaded.interfaces, limits=dict(self._limits))

    def _holds(self, listing: list[dict[str, Any]]) -> bool:
        try:
            found = limits.loaded(listing)
        except (KeyError, TypeError, ValueError):  # somebody put something else in there
            return False
        return limits.rest(listing) == self._rest and found == limits.expected(self._limits)
