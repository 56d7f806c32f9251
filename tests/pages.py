"""Looking at a metrics port, as Prometheus and curl do."""

import asyncio
import http.client
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

LOOK_S_MAX = 10


class Page(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def values(self) -> dict[tuple[str, ...], float]:
        """All values of a scrape, by name and the label values in the order of the labels."""
        return {
            (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
            for family in text_string_to_metric_families(self.text)
            for sample in family.samples
        }


def look(port: int, path: str, method: str = "GET") -> Page:
    """Return a page."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LOOK_S_MAX)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return Page(answer.status, dict(answer.getheaders()), answer.read().decode())
    finally:
        connection.close()


async def page(port: int, path: str, method: str = "GET") -> Page:
    """Return a page of a port of this event loop."""
    return await asyncio.to_thread(look, port, path, method)
