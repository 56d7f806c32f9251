"""What a host is like, to compare before and after."""

from tests.lab.host import Host


def footprint(host: Host) -> dict[str, str]:
    """Return everything on a host that a gateway may change."""
    return {
        "links": host.out("ip", "-brief", "link"),
        "addresses": host.out("ip", "-brief", "address"),
        "routes": host.out("ip", "route", "show", "table", "all"),
        "routes6": host.out("ip", "-6", "route", "show", "table", "all"),
        "rules": host.out("ip", "rule") + host.out("ip", "-6", "rule"),
        "firewall": host.out("nft", "list", "ruleset"),
        "sysctls": host.out("sh", "-c", "sysctl -a 2>/dev/null | grep -E '^net.ipv[46].*conf'"),
        "forwarding": host.out("sysctl", "net.ipv4.ip_forward"),
        "files": host.out("find", "/run", "-name", "gateway.*", "-o", "-name", "*.sock"),
        "processes": host.run("pgrep", "wireguard-go", check=False).stdout,
    }
