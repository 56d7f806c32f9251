"""An example of a pipeline: daily totals of a WireGuard VPN, in a small SQLite file.

    wig token create totals --role observer > totals.json
    python3 daily_totals.py --server nats://127.0.0.1:4222 --token-file totals.json --db totals.db
    sqlite3 totals.db 'SELECT * FROM daily'

It needs nats-py and nothing of wig. It asks `wig sessions` once for a consumer of its own, which
remembers how far it has come; then it reads WIG_SESSIONS, stores, and acknowledges, in this order.
Whatever is killed in between comes again, and is known by the session's id: nothing is lost, and
nothing is counted twice. Copy it, and store what you need.
"""

import argparse
import asyncio
import json
import sqlite3
from pathlib import Path

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

BATCH = 200
WAIT_S = 5.0
SCHEMA = """
CREATE TABLE IF NOT EXISTS session (
    id TEXT PRIMARY KEY, day TEXT NOT NULL, interface TEXT NOT NULL, country TEXT NOT NULL,
    seconds REAL NOT NULL, received_bytes INTEGER NOT NULL, sent_bytes INTEGER NOT NULL
) STRICT;
CREATE VIEW IF NOT EXISTS daily AS
SELECT day, interface, country, count(*) AS sessions, sum(seconds) AS seconds,
       sum(received_bytes) AS received_bytes, sum(sent_bytes) AS sent_bytes
FROM session GROUP BY day, interface, country;
"""
INSERT = """
INSERT OR IGNORE INTO session
VALUES (:id, substr(:end, 1, 10), :interface, :country,
        (julianday(:end) - julianday(:begin)) * 86400, :received_bytes, :sent_bytes)
"""


def store(db: sqlite3.Connection, messages: list[Msg]) -> int:
    """Store the sessions that ended, and return how many messages that were."""
    events = [json.loads(message.data) for message in messages]
    ended = [event for event in events if event["event"] == "end"]
    with db:
        db.executemany(INSERT, ended)
    return len(ended)


async def consume(client: Client, identity: str, db: sqlite3.Connection, *, follow: bool) -> int:
    """Read until there is no more, or for ever; return how many sessions ended."""
    asked = await client.request(f"wig.api.{identity}.session.attach", b"{}", timeout=10)
    answer = json.loads(asked.data)
    if "error" in answer:
        raise SystemExit(answer["error"]["message"])
    attached = answer["ok"]
    # With the domain's name, the same works behind a leaf node; without one, on the hub itself.
    jetstream = client.jetstream(domain=attached["domain"])
    reader = await jetstream.pull_subscribe_bind(attached["consumer"], attached["stream"])
    total = 0
    while True:
        try:
            messages = await reader.fetch(BATCH, timeout=WAIT_S)
        except TimeoutError:
            if not follow:
                return total
            continue
        total += store(db, messages)
        await messages[-1].ack()  # also those before it


async def run(options: argparse.Namespace, token: dict[str, str]) -> None:
    """Connect, and consume."""
    db = sqlite3.connect(options.db)
    db.executescript(SCHEMA)
    client = await nats.connect(
        options.server,
        user=token["id"],
        password=token["secret"],
        inbox_prefix=f"_INBOX.{token['id']}",
        max_reconnect_attempts=-1,
    )
    try:
        total = await consume(client, token["id"], db, follow=not options.once)
        print(f"{total} sessions")
    finally:
        await client.close()
        db.close()


def main() -> None:
    """Parse the command line, and run."""
    parser = argparse.ArgumentParser(description="Daily totals of sessions, into SQLite.")
    parser.add_argument("--server", default="nats://127.0.0.1:4222")
    parser.add_argument("--token-file", required=True, help="of a token with the role observer")
    parser.add_argument("--db", required=True, help="made when it is not there")
    parser.add_argument("--once", action="store_true", help="end when there is no more")
    options = parser.parse_args()
    asyncio.run(run(options, json.loads(Path(options.token_file).read_text())))


if __name__ == "__main__":
    main()
