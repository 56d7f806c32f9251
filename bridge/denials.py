"""What the server says when it refuses a request: to nobody in particular. Called by `connection`.

A message that may not be published is dropped, and the connection is told of it apart from the
requests that are open. Without this, who asks would wait for an answer until he gives up.
"""

import asyncio
import re
from collections.abc import Iterable

from nats.aio.msg import Msg

from wig import errors

_VIOLATION = re.compile(r'permissions violation for publish to "([^"]+)"', re.IGNORECASE)


class Asked(asyncio.Future[Msg]):
    """The answer to a request that is open."""

    subject: str = ""
    """Where it was asked."""


def refuse(error: Exception, asked: Iterable[Asked]) -> None:
    """Fail the requests that the server's `error` is about, with `Denied`."""
    found = _VIOLATION.search(str(error))
    if found is None:
        return
    denied = found[1].lower()  # nats-py has lost the case
    for future in list(asked):
        if future.subject.lower() == denied and not future.done():
            future.set_exception(
                errors.Denied(
                    f"{future.subject}: whoever has this token may not ask that",
                    hint="its role does not permit it: see `wig token list`",
                )
            )
