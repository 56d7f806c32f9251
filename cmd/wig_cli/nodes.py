"""`wig datastore` and `wig gateway`: what runs on each host until it is told to stop.

Loaded by `main` when one of them is called: flags to values; what they do is in `bridge`.
"""

import argparse
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from wig_cli import arguments, forever, settings

METRICS_ADDR = ":4007"
"""Of gateways, and of `wig up`. Datastores have none unless they are told: several on one host
would meet, and the port has no authentication."""

EGRESS_TEXT = """
Without --egress clients leave as the host routes, with the address of the device they leave by.
With it, by interface:
  device:NAME              by this device or not at all
  table:N                  as this routing table says; packets carry a mark, and wig adds the rules
  mark:N                   which mark; else the number of the table
  via:IPV4, via6:IPV6      wig gives the table this default route; without, the table is yours
  source:IPV4, source6:IPV6
                           with this address, instead of the device's own
  nat:none, nat6:none      with their own addresses, which others route back to this host
  fwmark:N                 mark of WireGuard's own packets, to route those by the table too"""


def datastore(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wig datastore`."""
    arguments.describe(
        parser, run_datastore, loudness=arguments.STORY, common=arguments.COMMON,
        help="run a primary, or a follower of another datastore",
        text="It needs --db and --name."
        "\nWithout --follow it is the primary: the one writer. wig init makes its database;"
        "\na follower's is made when it is not there."
        "\npromote makes the database of a stopped follower the primary's, when the old primary is"
        "\ngone for good; that one stops by itself if it ever comes back.",
        examples=(
            "wig datastore --db /var/lib/wig/wig.db --name primary",
            "wig datastore --db /var/lib/wig/paris.db --name paris --follow primary@hub",
            "wig datastore promote --db /var/lib/wig/paris.db",
        ),
    )  # fmt: skip
    parser.set_defaults(local_file=None)
    parser.add_argument(
        "action",
        nargs="?",
        choices=("promote",),
        metavar="promote",
        action=_Instead,
        help="instead of running it",
    )
    parser.add_argument(
        "--force", action="store_true", help="promote: lose what others have and this one does not"
    )
    settings.add(parser, "db", "name", "follow", "domain", "log_max_age", "log_keep")
    settings.add(parser, "server_keys", "tls_role", "metrics_addr")
    parser.add_argument(
        "--replicas", type=int, choices=(1, 3, 5), default=1, metavar="N",
        help="how many servers of a JetStream cluster keep the stream: 1, 3 or 5; default 1",
    )  # fmt: skip
    parser.add_argument(
        "--replace", action="store_true",
        help="give up what is there for another database: the upstream's, or this one",
    )  # fmt: skip


class _Instead(argparse.Action):
    """A command that ends: it does not tell a story while it runs."""

    def __call__(
        self, parser: Any, namespace: argparse.Namespace, values: Any, option: Any = None
    ) -> None:
        del parser, option
        namespace.action = values
        if values is not None:
            namespace.loudness = arguments.QUIET


def gateway(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wig gateway`."""
    arguments.describe(
        parser, run_gateway, loudness=arguments.STORY, common=arguments.COMMON,
        help="run a gateway: apply a datastore to this host's WireGuard",
        text="It needs --name and --follow."
        "\nStopping it leaves the interfaces up: connected clients lose nothing.\n"
        + EGRESS_TEXT,
        examples=(
            "wig gateway --name gw1 --follow primary@hub",
            "wig gateway … --egress wg0=source:203.0.113.7,nat6:none",
            "wig gateway … --egress wg1=device:eth1,via:192.0.2.1,via6:fe80::1,table:100",
            "wig gateway drain gw1 --wait",
        ),
    )  # fmt: skip
    parser.set_defaults(local_file=None)
    settings.add(parser, "name", "follow", "run_dir", "wireguard")
    settings.add(parser, "metrics_addr", "metrics_per_peer")
    add_gateway(parser)
    _add_draining(parser)


def _add_draining(parser: argparse.ArgumentParser) -> None:
    """Add what is done to a gateway that runs, wherever it is."""
    group = parser.add_subparsers(
        title="instead of running one", metavar="[COMMAND]", parser_class=arguments.Parser
    )
    drain = arguments.verb(
        group, "drain", "wig_cli.draining:drain", help="send nobody new to a gateway",
        text="Its /readyz says 503, status shows it, and connected clients go on. It stays so"
        "\nuntil undrain, or a reboot of its host. It is told through the node that it follows;"
        "\nif that is away, on the gateway's own host: touch /run/wig/NAME.drained",
        examples=("wig gateway drain gw1 --wait",),
    )  # fmt: skip
    drain.add_argument(
        "--wait", dest="until_gone", action="store_true",
        help="until no peer is connected any more; exit code 3 if it is not heard of for --timeout",
    )  # fmt: skip
    undrain = arguments.verb(
        group, "undrain", "wig_cli.draining:undrain", help="use a drained gateway again",
        examples=("wig gateway undrain gw1",),
    )  # fmt: skip
    for verb in (drain, undrain):
        verb.set_defaults(local_file=settings.CLIENT_FILE)
        verb.add_argument("gateway", metavar="NAME", help="of the gateway, as in wig status")


def add_gateway(parser: argparse.ArgumentParser) -> None:
    """Add what `wig up` has in common with `wig gateway`."""
    settings.add(parser, "firewall", "isolation", "egress")
    parser.add_argument(
        "--audit-only", action="store_true",
        help="report what somebody else changed on this host, and leave it",
    )  # fmt: skip
    settings.add(parser, "audit_interval", "endpoint_max_age")
    settings.add(parser, "report_interval", "geoip_country", "geoip_asn")
    parser.add_argument(
        "--down-on-exit", action="store_true", help="remove the interfaces when stopped"
    )
    parser.add_argument(
        "--replace", action="store_true",
        help="give up the VPNs of another database for those of this one",
    )  # fmt: skip


def gateway_options(options: argparse.Namespace, name: str) -> Any:
    """Return the options of the gateway of this host (`wig.linux.gateway.Options`)."""
    given = {
        "audit_interval_s": options.audit_interval,
        "endpoint_age_s_max": options.endpoint_max_age,
    }
    return import_module("wig.linux.gateway").Options(
        name=name,
        wireguard=options.wireguard,
        firewall=options.firewall,
        isolated=options.isolation,
        egress=_egress(options),
        audit_only=options.audit_only,
        run_directory=Path(options.run_dir),
        **{option: value for option, value in given.items() if value is not None},
    )


def statistics(options: argparse.Namespace) -> dict[str, Any]:
    """Return the options of the gateway's statistics (`bridge.gateway_node.GatewayOptions`)."""
    given: dict[str, Any] = {}
    if options.report_interval is not None:
        given["report_interval_s"] = options.report_interval
    files = [path and Path(path) for path in (options.geoip_country, options.geoip_asn)]
    if any(files):
        given["places"] = import_module("bridge.geoip").GeoIP(*files)
    return given


def metrics_address(options: argparse.Namespace, default: str) -> Any:
    """Return where metrics are (`bridge.metrics_http.Address`), or None."""
    given = options.metrics_addr
    return import_module("bridge.metrics_http").parse_address(default if given is None else given)


def _egress(options: argparse.Namespace) -> Any:
    """Return how clients leave, by interface (`wig.egress.Egress`)."""
    if options.egress and not options.firewall:
        raise arguments.UsageError(
            "--egress: needs the firewall, which --no-firewall turns off",
            hint="it marks and translates with nftables",
        )
    return import_module("wig.egress").parse_all(options.egress or ())


def retention(options: argparse.Namespace) -> Any:
    """Return how much of the log stays (`bridge.retention.Policy`)."""
    given = {"max_age": options.log_max_age, "keep_entries": options.log_keep}
    known = {name: value for name, value in given.items() if value is not None}
    return import_module("bridge.retention").Policy(**known)


def run_datastore(options: argparse.Namespace) -> int:
    """Serve a database until told to stop, or promote it."""
    if options.action == "promote":
        bus = import_module("wig_cli.remote").bus_options(options, name="wig promote")
        code: int = import_module("wig_cli.promotion").run(options, bus)
        return code
    db, name = arguments.needed(options, "db"), _node_name(options)
    upstream, _, upstream_domain = (options.follow or "").partition("@")
    node = import_module("bridge.node")
    auth = _auth(options)
    forever.run(
        node.run_datastore(
            node.DatastoreOptions(
                db=Path(db),
                name=name,
                bus=bus_options(options, name),
                auth=auth,
                domain=options.domain,
                replicas=options.replicas,
                upstream=upstream,
                upstream_domain=upstream_domain or None,
                replace=options.replace,
                retention=retention(options),
                metrics=metrics_address(options, ""),
            )
        )
    )
    return 0


def _auth(options: argparse.Namespace) -> Any:
    """Return how to answer logins, or None; who does comes with the server's own credentials."""
    certificates = import_module("wig.access").parse_certificates(options.tls_role or ())
    if not options.server_keys:
        return None
    directory = Path(options.server_keys)
    server_keys = import_module("bridge.server_keys")
    found = server_keys.read(directory)
    options.token_file = str(directory / server_keys.BUS_FILE)
    return import_module("bridge.auth").AuthOptions(keys=found, certificates=certificates)


def run_gateway(options: argparse.Namespace) -> int:
    """Follow a datastore until told to stop."""
    name = _node_name(options)
    upstream, _, domain = arguments.needed(options, "follow").partition("@")
    gateway = import_module("bridge.gateway_node")
    host = import_module("wig.linux.gateway")
    host_options = gateway_options(options, name)
    forever.run(
        gateway.run_gateway(
            gateway.GatewayOptions(
                name=name,
                upstream=upstream,
                domain=domain or None,
                bus=bus_options(options, name),
                replace=options.replace,
                down_on_exit=options.down_on_exit,
                mark=import_module("wig.linux.mark").DrainMark(Path(options.run_dir), name),
                metrics=metrics_address(options, METRICS_ADDR),
                per_peer=options.metrics_per_peer,
                **statistics(options),
            ),
            lambda: host.Gateway(host_options),
        )
    )
    return 0


def _node_name(options: argparse.Namespace) -> str:
    """Return the name of the node, which is part of subjects."""
    name: str = import_module("wig.access").parse_identity(
        arguments.needed(options, "name"), "name"
    )
    return name


def bus_options(options: argparse.Namespace, name: str) -> Any:
    """Return how a node comes to the bus.

    As who its token says, for that is what it may be; as itself, with credentials that are
    nobody's in particular; or as it is told.
    """
    remote = import_module("wig_cli.remote")
    bus = remote.bus_options(options, name=f"wig {name}")
    proven = bus.user or bus.certificate
    if not options.identity and (
        not proven or bus.user in import_module("wig.access").STATIC_USERS
    ):
        return replace(bus, identity=name)
    return bus
