"""wig: a WireGuard VPN service. The core decides; nothing here touches the world."""

__version__ = "0.1.0"
