"""Small internets inside one machine, from network namespaces.

with Internet() as net:
    gateway, client = net.host("gateway"), net.host("client")
    client.run("ping", "-c", "1", gateway.ip)

Names need only be unique within one `Internet`; several can exist at once. Everything is gone
afterwards, also when the tests fail or are killed.
"""

from tests.lab.host import Host, Spawned
from tests.lab.internet import Internet, Network
from tests.lab.need import need, need_kernel
from tests.lab.ping import PingStream
from tests.lab.stream import PacketStream
from tests.lab.web import WebServer
from tests.lab.wg_quick import WgQuick

__all__ = [
    "Host",
    "Internet",
    "Network",
    "PacketStream",
    "PingStream",
    "Spawned",
    "WebServer",
    "WgQuick",
    "need",
    "need_kernel",
]
