"""Every subject, stream name and inbox of wig, and who may ask where. Called all over `bridge`.

    wig.api.<id>.<noun>.<verb>                  commands and queries, served by the primary
    wig.node.<N>.<id>.<verb>                    status, attach, snapshot, credit, reads of one node
    wig.log.<N>.<generation>.<instance>         the one subject of stream WIG_<N>_<generation>
    wig.beacon.<N>                              where node N is
    wig.primary                                 who is the primary, from one to another
    wig.stats.<id>                              reports of a gateway, in stream WIG_STATS
    wig.session.<interface>.<begin|end>         edges of sessions, in stream WIG_SESSIONS
    _INBOX.<id>.<random>…                       answers to `<id>`

`<id>` is the caller's identity; the server's permissions see to it that nobody uses another's.
"""

import re

from wig import access

PRIMARY = "wig.primary"
"""Where primaries announce themselves."""

STATS_STREAM = "WIG_STATS"
"""What gateways report, until it is read."""

SESSIONS_STREAM = "WIG_SESSIONS"
"""Begins and ends of sessions, for whoever wants to read them."""

ANY = "*"
"""In the place of an identity: whoever asks."""

_ID = access.IDENTITY.pattern
_API = re.compile(rf"wig\.api\.({_ID})\.([a-z]+\.[a-z]+)")
_NODE = re.compile(rf"wig\.node\.({_ID})\.({_ID})\.([a-z]+(?:\.[a-z]+)?)")
_STATS = re.compile(rf"wig\.stats\.({_ID})")
_STREAM = re.compile(rf"WIG_({_ID})_([0-9a-f]+)")


def api(identity: str, verb: str) -> str:
    """Return where `identity` asks the primary; `verb` is like `peer.create`."""
    return f"wig.api.{identity}.{verb}"


def api_of(noun: str) -> str:
    """Return the wildcard of all commands and queries about `noun`, from anybody."""
    return f"wig.api.*.{noun}.*"


def parse_api(subject: str) -> tuple[str, str] | None:
    """Return identity and verb (`peer.create`) of a request; None if it is something else."""
    match = _API.fullmatch(subject)
    return (match[1], match[2]) if match else None


def node(name: str, identity: str, verb: str) -> str:
    """Return where `identity` asks node `name`; `verb` is like `attach` or `peer.list`."""
    return f"wig.node.{name}.{identity}.{verb}"


def node_of(name: str, verb: str) -> str:
    """Return the wildcard of one verb at node `name`, from anybody."""
    return f"wig.node.{name}.*.{verb}"


def parse_node(subject: str) -> tuple[str, str, str] | None:
    """Return node, identity and verb of a request to a node; None if it is something else."""
    match = _NODE.fullmatch(subject)
    return (match[1], match[2], match[3]) if match else None


def beacon(name: str) -> str:
    """Return where node `name` says where it is."""
    return f"wig.beacon.{name}"


def stats(identity: str) -> str:
    """Return where a gateway reports."""
    return f"wig.stats.{identity}"


def parse_stats(subject: str) -> str | None:
    """Return whose report it is; None if it is something else."""
    match = _STATS.fullmatch(subject)
    return match[1] if match else None


def session(interface: str, kind: str) -> str:
    """Return where an edge of a session is published; `kind` is `begin` or `end`."""
    return f"wig.session.{interface}.{kind}"


def log(name: str, generation: str, instance: str) -> str:
    """Return the only subject that the stream accepts while `instance` owns it."""
    return f"wig.log.{name}.{generation}.{instance}"


def instance_of(log_subject: str) -> str:
    """Return the owner's instance in a subject that `log` made."""
    return log_subject.rpartition(".")[2]


def stream(name: str, generation: str) -> str:
    """Return the name of the stream of a node's log; a generation is hexadecimal."""
    return f"WIG_{name}_{generation}"


def generation_of(stream_name: str, name: str) -> str | None:
    """Return the generation if the stream is a log of node `name`, else None."""
    match = _STREAM.fullmatch(stream_name)
    return match[2] if match and match[1] == name else None


def inbox_prefix(identity: str) -> str:
    """Return what every inbox of `identity` begins with, without the last dot."""
    return f"_INBOX.{identity}"


def may_answer(reply: str, identity: str) -> bool:
    """Say whether an answer to `identity` may go to `reply`.

    A service publishes with its own rights: a reply subject outside the caller's inboxes would
    let the caller publish where it may not (measured against naive services).
    """
    prefix = f"_INBOX.{identity}."
    return reply.startswith(prefix) and len(reply) > len(prefix)


def js_api(domain: str | None) -> str:
    """Return the prefix of JetStream's API; None: the domain that the client is connected to."""
    return f"$JS.{domain}.API" if domain else "$JS.API"


def pull(domain: str | None, stream: str, consumer: str) -> str:
    """Return where the messages of a consumer are asked for."""
    return f"{js_api(domain)}.CONSUMER.MSG.NEXT.{stream}.{consumer}"
