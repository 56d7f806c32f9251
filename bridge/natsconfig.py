"""The configuration of a nats-server, as text, from values. Called by `server`.

**Invariant:** the same values give the same text. The authentication of tokens (auth callout),
leaf nodes and certificates come here, and nowhere else, when there is more than one host.
"""

from dataclasses import dataclass
from pathlib import Path

from bridge import wire

SYNC_INTERVAL = "10s"
"""How much a power loss may take from the stream's end. SQLite has it, and publishes it again;
`always` would cost two thirds of the throughput."""

STORE_BYTES_MAX = 10 * 1024**3
"""Of all streams together: a log of 2 GiB, and the generations that it replaces."""

MEMORY_BYTES_MAX = 64 * 1024**2  # no stream of wig is in memory; consumers' state is small

INGEST_MESSAGES_MAX = 20_000
"""How many published messages a stream may have waiting (nats-server's default 10,000): twice
what the publisher ever has under way; more would be dropped."""


@dataclass(frozen=True, kw_only=True)
class Hub:
    """A server that stands alone, or at the centre."""

    name: str
    host: str
    port: int
    monitor_port: int
    domain: str
    store: Path
    log: Path
    user: str
    password_hash: str
    """bcrypt."""


def hub(values: Hub) -> str:
    """Return the configuration of a hub."""
    return f"""\
# Written by wig at each start: changes here are lost.
server_name: "{values.name}"
listen: "{values.host}:{values.port}"
http: "127.0.0.1:{values.monitor_port}"
max_payload: {wire.PAYLOAD_BYTES_MAX}
write_deadline: "10s"
ping_interval: "5s"
ping_max: 2
logfile: "{values.log}"
logfile_size_limit: 10MB
logfile_max_num: 3
# nats-py takes the second format of acknowledgements for damage and stops listening.
feature_flags {{ js_ack_fc_v2: false }}
jetstream {{
  store_dir: "{values.store}"
  domain: "{values.domain}"
  max_mem: {MEMORY_BYTES_MAX}
  max_file: {STORE_BYTES_MAX}
  sync_interval: "{SYNC_INTERVAL}"
  max_buffered_msgs: {INGEST_MESSAGES_MAX}
}}
authorization {{
  timeout: 3
  users: [ {{ user: "{values.user}", password: "{values.password_hash}" }} ]
}}
"""
