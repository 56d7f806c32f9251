"""The configuration of a nats-server, as text, from values. Called by `server` and `nats-config`.

**Invariant:** the same values give the same text. **Invariant:** a listener that other hosts can
reach has TLS, and nobody comes in without a credential.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote as url_quote

from bridge import server_keys, wire
from bridge.credentials import Credentials
from bridge.server_keys import ServerKeys

ACCOUNT = "WIG"
"""What wig's programs share; the callout and the system have accounts of their own."""

VERSION_MIN = (2, 14, 0)
"""Of the server: older ones do not know all of this, and accepted leaf nodes without a login."""

SYNC_INTERVAL = "10s"
"""How much a power loss may take from the stream's end. SQLite has it, and publishes it again;
`always` would cost two thirds of the throughput."""

STORE_BYTES_MAX = 10 * 1024**3
"""Of all streams together: what each may take is reserved. That is the logs of eight nodes, of
which one is replaced by its next generation, and those of sessions."""

MEMORY_BYTES_MAX = 64 * 1024**2  # no stream of wig is in memory; consumers' state is small

INGEST_MESSAGES_MAX = 20_000
"""How many published messages a stream may have waiting (nats-server's default 10,000): twice
what the publisher ever has under way; more would be dropped."""

LOGIN_S_MAX = 3  # for the callout's answer; it takes milliseconds


@dataclass(frozen=True, kw_only=True)
class Tls:
    """Certificates of one listener or remote, PEM."""

    certificate: Path | None = None
    key: Path | None = None
    ca: Path | None = None
    """Who the other side must be signed by; None: the system's authorities."""
    verify: bool = False
    """Of a listener: whoever comes must have a certificate."""
    first: bool = False
    """TLS before anything else is said."""


@dataclass(frozen=True, kw_only=True)
class JetStream:
    """The store."""

    domain: str
    directory: Path
    bytes_max: int = STORE_BYTES_MAX


@dataclass(frozen=True, kw_only=True)
class Listener:
    """Where somebody may come in."""

    host: str
    port: int
    tls: Tls | None = None


@dataclass(frozen=True, kw_only=True)
class Hub:
    """A server that a datastore sits on: it asks the datastore who may log in."""

    name: str
    clients: Listener
    jetstream: JetStream
    keys: ServerKeys
    monitor_port: int
    """On the loopback; 0: none."""
    leafs: Listener | None = None
    log: Path | None = None
    """None: it logs to standard error."""
    made_by: str = "wig nats-config hub"


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """A server beside a gateway, which handles the wide area for the programs on its host."""

    name: str
    clients: Listener
    remotes: tuple[str, ...]
    """`host:port` of the hub's listener for leaf nodes; several are tried in turn."""
    local: Credentials
    """What programs of this host come with; the id is the identity that the hub knows."""
    token: Credentials | None = None
    """What the leaf node comes with; None: with the certificate alone."""
    tls: Tls | None = None
    """Towards the hub."""
    jetstream: JetStream | None = None
    """For a follower on this host."""
    monitor_port: int = 0
    made_by: str = "wig nats-config leaf"


def hub(values: Hub) -> str:
    """Return the configuration of a hub; it has hashes of secrets, and no secret."""
    return "\n".join(_hub(values)) + "\n"


def _hub(values: Hub) -> Iterator[str]:
    yield from _server(values.name, values.clients, values.monitor_port, values.made_by)
    if values.log is not None:
        yield f"logfile: {_text(values.log)}"
        yield "logfile_size_limit: 10MB"
        yield "logfile_max_num: 3"
    yield from _jetstream(values.jetstream)
    if values.leafs is not None:
        yield "leafnodes {"
        yield f"  listen: {_address(values.leafs)}"
        yield "  # Leaf nodes use the addresses that they were given, not those behind a firewall."
        yield "  no_advertise: true"
        yield from _tls(values.leafs.tls, "  ")
        yield "}"
    keys = values.keys
    yield "accounts {"
    yield "  # Everything of wig. The datastore's own user may do all; others are asked about."
    yield f"  {ACCOUNT} {{"
    yield from _account_limits(values.jetstream)
    yield f"    users: [ {_user(keys.bus)} ]"
    yield "  }"
    yield "  # Questions about logins contain passwords: nobody else may hear them."
    yield f"  AUTH {{ users: [ {_user(keys.callout)} ] }}"
    yield "  # Disconnects whoever has lost his token."
    yield f"  SYS {{ users: [ {_user(keys.system)} ] }}"
    yield "}"
    yield "system_account: SYS"
    yield "authorization {"
    yield f"  timeout: {LOGIN_S_MAX}"
    yield "  # Who is not one of these is asked about; the answer must be signed by the issuer."
    yield "  auth_callout {"
    yield f"    issuer: {keys.issuer.public_key}"
    yield "    account: AUTH"
    yield f"    auth_users: [ {', '.join(_text(one) for one in _static(keys))} ]"
    yield "  }"
    yield "}"


def leaf(values: Leaf) -> str:
    """Return the configuration of a leaf; with a token it has the token's secret."""
    return "\n".join(_leaf(values)) + "\n"


def _leaf(values: Leaf) -> Iterator[str]:
    yield from _server(values.name, values.clients, values.monitor_port, values.made_by)
    if values.jetstream is not None:
        yield from _jetstream(values.jetstream)
    scheme = "nats" if values.tls is None else "tls"
    token = values.token
    proof = f"{url_quote(token.id, '')}:{url_quote(token.secret, '')}@" if token else ""
    urls = ", ".join(_text(f"{scheme}://{proof}{remote}") for remote in values.remotes)
    yield "leafnodes {"
    yield '  reconnect: "500ms"'
    yield "  remotes: [ {"
    yield f"    urls: [ {urls} ]"
    yield f"    account: {ACCOUNT}"
    yield from _tls(values.tls, "    ")
    yield "  } ]"
    yield "}"
    yield "accounts {"
    yield "  # Programs of this host. What they may do beyond it, the hub decides."
    yield f"  {ACCOUNT} {{"
    if values.jetstream is not None:
        yield from _account_limits(values.jetstream)
    yield f"    users: [ {_user(values.local)} ]"
    yield "  }"
    yield "}"


def _server(name: str, clients: Listener, monitor_port: int, made_by: str) -> Iterator[str]:
    yield f"# Written by {made_by}: the next run replaces what is changed here."
    yield f"server_name: {_text(name)}"
    yield f"listen: {_address(clients)}"
    if monitor_port:
        yield f'http: "127.0.0.1:{monitor_port}"'
    yield from _tls(clients.tls, "")
    yield f"max_payload: {wire.PAYLOAD_BYTES_MAX}"
    yield 'write_deadline: "10s"'
    yield "# A peer that is gone without a word is noticed after 15 seconds, not after minutes."
    yield 'ping_interval: "5s"'
    yield "ping_max: 2"
    yield "# nats-py takes the second format of acknowledgements for damage and stops listening."
    yield "feature_flags { js_ack_fc_v2: false }"


def _jetstream(values: JetStream) -> Iterator[str]:
    yield "jetstream {"
    yield f"  store_dir: {_text(values.directory)}"
    yield f"  domain: {_text(values.domain)}"
    yield f"  max_mem: {MEMORY_BYTES_MAX}"
    yield f"  max_file: {values.bytes_max}"
    yield "  # The database has what a power loss takes from the stream's end."
    yield f'  sync_interval: "{SYNC_INTERVAL}"'
    yield f"  max_buffered_msgs: {INGEST_MESSAGES_MAX}"
    yield "}"


def _account_limits(values: JetStream) -> Iterator[str]:
    yield f"    jetstream: {{ max_mem: {MEMORY_BYTES_MAX}, max_file: {values.bytes_max} }}"


def _tls(tls: Tls | None, indent: str) -> Iterator[str]:
    if tls is None:
        return
    yield f"{indent}tls {{"
    for name, path in (("cert", tls.certificate), ("key", tls.key), ("ca", tls.ca)):
        if path is not None:
            yield f"{indent}  {name}_file: {_text(path)}"
    yield f'{indent}  min_version: "1.2"'
    yield f"{indent}  timeout: 5"
    if tls.verify:
        yield f"{indent}  verify: true"
    if tls.first:
        yield f"{indent}  handshake_first: true"
    yield f"{indent}}}"


def _user(user: Credentials) -> str:
    return f"{{ user: {_text(user.id)}, password: {_text(server_keys.hashed(user.secret))} }}"


def _static(keys: ServerKeys) -> tuple[str, ...]:
    return keys.bus.id, keys.callout.id, keys.system.id


def _address(listener: Listener) -> str:
    host = f"[{listener.host}]" if ":" in listener.host else listener.host
    return _text(f"{host}:{listener.port}")


def _text(value: object) -> str:
    """Return a string as nats-server reads it: JSON's escapes, of which paths need two."""
    return json.dumps(str(value), ensure_ascii=False)
