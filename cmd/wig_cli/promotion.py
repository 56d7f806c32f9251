"""`wig datastore promote`: a follower becomes the primary, because a person says so.

Loaded by `nodes` when it is called.
"""

import argparse
import asyncio
from pathlib import Path
from typing import Any

from bridge import promotion
from wig_cli import arguments, output


def run(options: argparse.Namespace, bus: Any) -> int:
    """Promote the database of a follower that is stopped; `bus` is how to reach the others."""
    db = Path(arguments.needed(options, "db"))
    fork = asyncio.run(promotion.promote(db, bus, force=options.force))
    if output.is_json(options):
        output.document({"db": str(db), "epoch": fork.epoch, "after": fork.seq})
    else:
        output.note(f"promoted: {db} goes on after entry {fork.seq}; start it without --follow")
    return 0
