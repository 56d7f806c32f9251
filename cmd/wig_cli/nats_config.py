"""`wig nats-config hub|leaf`: the configuration of a nats-server, from flags.

Loaded by `main`. The same flags give the same bytes; secrets are made once, in files of mode 0600
in the same directory, and are never shown.
"""

import argparse
import ipaddress
import re
from importlib import import_module
from pathlib import Path
from typing import Any

from wig_cli import arguments, inputs, output

CONFIG_FILE = "nats-server.conf"
AUTHS = ("token", "mtls")
LISTEN_DEFAULT = "127.0.0.1:4222"
STORE_GIB_DEFAULT = 10


def nats_config(parser: argparse.ArgumentParser) -> None:
    """Add the verbs of `wig nats-config`."""
    group = arguments.verbs(parser)
    hub = arguments.verb(
        group, "hub", run_hub, remote=False,
        help="write the configuration of a server that a datastore sits on",
        text="Who comes with a token, or with a listed certificate, gets the rights of its role;"
        "\nthe datastore answers that: start it with --server-keys DIR.",
        examples=(
            "wig nats-config hub --dir /etc/wig/nats --check",
            "wig nats-config hub --dir /etc/wig/nats --listen 0.0.0.0:4222 \\",
            "      --leaf-listen 0.0.0.0:7422 --cert hub.pem --key hub.key --ca ca.pem",
        ),
    )  # fmt: skip
    _add_common(hub, name="hub", store="/var/lib/wig/nats")
    hub.add_argument(
        "--domain", type=inputs.domain, default="hub", metavar="DOMAIN",
        help="of JetStream, default hub",
    )  # fmt: skip
    hub.add_argument(
        "--client-auth", choices=AUTHS, default="token",
        help="mtls: every client needs a certificate, and may do without a token; default token",
    )  # fmt: skip
    hub.add_argument(
        "--leaf-listen", metavar="HOST:PORT", help="take leaf nodes there; default: none"
    )
    hub.add_argument(
        "--leaf-auth", choices=AUTHS, default="token",
        help="mtls: every leaf node needs a certificate; default token",
    )  # fmt: skip
    leaf = arguments.verb(
        group, "leaf", run_leaf, remote=False,
        help="write the configuration of a server beside a gateway",
        text="It connects to the hub with the token, or the certificate; the programs on this host"
        "\ncome to it with the file credentials.json that is made in the same directory.",
        examples=(
            "wig nats-config leaf --dir /etc/wig/nats --name gw1 \\",
            "      --remote hub.example.org:7422 --token-file gw1.json --ca ca.pem",
        ),
    )  # fmt: skip
    _add_common(leaf, name=None, store="/var/lib/wig/nats")
    leaf.add_argument(
        "--remote", dest="remotes", action="append", required=True, metavar="HOST:PORT",
        help="the hub's listener for leaf nodes; repeatable, tried in turn",
    )  # fmt: skip
    leaf.add_argument("--token-file", dest="leaf_token", metavar="FILE", help="the host's token")
    leaf.add_argument(
        "--domain", type=inputs.domain, metavar="DOMAIN",
        help="of a JetStream here, for a follower; default: none",
    )  # fmt: skip


def _add_common(parser: argparse.ArgumentParser, *, name: str | None, store: str) -> None:
    parser.add_argument(
        "--dir", required=True, metavar="DIR", help="for the configuration and its secrets"
    )
    told = {"default": name, "help": f"of the server, default {name}"} if name else {
        "required": True, "help": "of the server"}  # fmt: skip
    parser.add_argument("--name", metavar="NAME", **told)
    parser.add_argument(
        "--listen", default=LISTEN_DEFAULT, metavar="HOST:PORT",
        help=f"for clients, default {LISTEN_DEFAULT}",
    )  # fmt: skip
    parser.add_argument(
        "--monitor-port", type=inputs.port_or_none, default=8222, metavar="PORT",
        help="for monitoring by HTTP, on the loopback, default 8222; 0: none",
    )  # fmt: skip
    parser.add_argument("--cert", metavar="FILE", help="certificate of this server, PEM")
    parser.add_argument("--key", metavar="FILE", help="its private key, PEM")
    parser.add_argument("--ca", metavar="FILE", help="authorities of the other side, PEM")
    parser.add_argument(
        "--store", default=store, metavar="DIR", help=f"for JetStream's files, default {store}"
    )
    parser.add_argument(
        "--max-store", type=inputs.gibibytes, default=STORE_GIB_DEFAULT, metavar="GIB",
        help=f"GiB that JetStream may take there, default {STORE_GIB_DEFAULT}",
    )  # fmt: skip
    parser.add_argument(
        "--check",
        dest="asks_server",
        action="store_true",
        help="have nats-server read what was written; needs the program",
    )


def run_hub(options: argparse.Namespace) -> int:
    """Write the configuration of a hub."""
    config = import_module("bridge.natsconfig")
    directory = _directory(options)
    leafs = None
    if options.leaf_listen:
        leafs = _listener(
            options, options.leaf_listen, "--leaf-listen", options.leaf_auth, first=True
        )
    values = config.Hub(
        name=options.name,
        clients=_listener(options, options.listen, "--listen", options.client_auth),
        jetstream=_jetstream(options),
        keys=import_module("bridge.server_keys").open_or_make(directory),
        monitor_port=options.monitor_port,
        leafs=leafs,
    )
    return _write(options, directory, config.hub(values))


def run_leaf(options: argparse.Namespace) -> int:
    """Write the configuration of a leaf."""
    config = import_module("bridge.natsconfig")
    credentials = import_module("bridge.credentials")
    token = credentials.read(Path(options.leaf_token)) if options.leaf_token else None
    if token is None and not options.cert:
        raise arguments.UsageError(
            "--token-file: neither a token nor a certificate",
            hint="name the file of `wig token create --role gateway`, or --cert and --key",
        )
    identity = token.id if token else _identity(Path(options.cert))
    tls = _tls(options) if options.ca or options.cert else None
    if tls is None and not all(_on_loopback(_split(one, "--remote")[0]) for one in options.remotes):
        raise _exposed("--remote", options.remotes[0], "--ca")
    directory = _directory(options)
    clients = _listener(options, options.listen, "--listen", "token", served=False)
    local = directory / import_module("bridge.server_keys").BUS_FILE
    if not local.exists() or credentials.read(local).id != identity:
        credentials.write(local, credentials.make(identity))
    values = config.Leaf(
        name=options.name,
        clients=clients,
        remotes=tuple(options.remotes),
        local=credentials.read(local),
        token=token,
        tls=tls,
        jetstream=_jetstream(options) if options.domain else None,
        monitor_port=options.monitor_port,
    )
    return _write(options, directory, config.leaf(values))


def _directory(options: argparse.Namespace) -> Path:
    path = Path(options.dir).expanduser().absolute()
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def _jetstream(options: argparse.Namespace) -> Any:
    return import_module("bridge.natsconfig").JetStream(
        domain=options.domain,
        directory=Path(options.store).expanduser().absolute(),
        bytes_max=options.max_store << 30,
    )


def _listener(
    options: argparse.Namespace, text: str, flag: str, auth: str, *, first: bool = False,
    served: bool = True,
) -> Any:  # fmt: skip
    """Return a listener; without TLS it must be on the loopback, where nobody else listens."""
    config = import_module("bridge.natsconfig")
    host, port = _split(text, flag)
    tls = None
    if served and options.cert:
        tls = _tls(options, verify=auth == "mtls", first=first)
    if tls is None and auth == "mtls":
        raise arguments.UsageError(f"{flag}: certificates of others need --cert, --key and --ca")
    if tls is None and not _on_loopback(host):
        raise _exposed(flag, text, "--cert and --key")
    if auth == "mtls" and not options.ca:
        raise arguments.UsageError("--ca: needed, to know whose certificates are good")
    return config.Listener(host=host, port=port, tls=tls)


def _tls(options: argparse.Namespace, *, verify: bool = False, first: bool = True) -> Any:
    if bool(options.cert) != bool(options.key):
        raise arguments.UsageError("--cert: a certificate and its key, or neither")
    paths = {
        name: Path(given).expanduser().absolute() if given else None
        for name, given in (
            ("certificate", options.cert), ("key", options.key), ("ca", options.ca),
        )
    }  # fmt: skip
    return import_module("bridge.natsconfig").Tls(**paths, verify=verify, first=first)


def _split(text: str, flag: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not re.fullmatch("[0-9]{1,5}", port) or not 0 < int(port) < 65536:
        raise arguments.UsageError(f"{flag}: {text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


def _on_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _exposed(flag: str, text: str, needed: str) -> arguments.UsageError:
    return arguments.UsageError(
        f"{flag}: {text!r} is not on this host, and without TLS secrets can be read on the way",
        hint=f"give {needed}",
    )


def _identity(certificate: Path) -> str:
    """Return who the hub takes the owner of a certificate for."""
    access = import_module("wig.access")
    name = import_module("bridge.certificates").common_name(certificate)
    identity: str = access.parse_identity(access.CERTIFICATE_PREFIX + name, "cert")
    return identity


def _write(options: argparse.Namespace, directory: Path, text: str) -> int:
    """Write the file, and have it checked."""
    binary = import_module("bridge.nats_binary")
    server = import_module("bridge.server")
    errors = import_module("wig.errors")
    program = None
    try:
        program = server.find_binary()
    except errors.Unusable:
        if options.asks_server:
            raise
    if program is not None:
        binary.check_version(program)
    path = directory / CONFIG_FILE
    import_module("bridge.credentials").write_private(path, text.encode())
    if options.asks_server:
        binary.check_config(program, path)
    if output.is_json(options):
        output.document({"config": str(path), "checked": options.asks_server})
    else:
        output.note(f"written: {path}{', and nats-server takes it' if options.asks_server else ''}")
    return 0
