"""A hub restarts, and everybody is back at once; what never works is not tried in a tight loop."""

import asyncio
import itertools
import time
from contextlib import AsyncExitStack, suppress

from bridge.pace import AGAIN_S_MIN
from tests.buses import cancel, connected
from tests.eventually import eventually
from tests.guarded import guarded, leafs
from tests.wire_client import Hangup, WireClient

CLIENTS = 450
LEAFS = 50
BACK_S_MAX = 10.0
START_S_MAX = 60.0
RETRY_S = 0.1


class Returning:
    """A client that comes back when it is cut off."""

    def __init__(self, port, token):
        self._port = port
        self._token = token
        self.inside = False

    async def run(self):
        while True:
            with suppress(Hangup, OSError, TimeoutError):
                login = {"user": self._token.id, "pass": self._token.secret}
                async with await WireClient.open(self._port, **login) as client:
                    self.inside = True
                    await client.listen()
            self.inside = False
            await asyncio.sleep(RETRY_S)


async def test_500_gateways_are_back_after_a_restart_of_the_hub(tmp_path, record_property):
    """450 clients, 50 leaf nodes; each logs in by the primary, which comes back itself."""
    async with guarded(tmp_path) as hub, AsyncExitStack() as stack:
        tokens = [await hub.token(f"gw{number}", "gateway") for number in range(CLIENTS + LEAFS)]
        clients = [Returning(hub.port, token) for token in tokens[:CLIENTS]]
        for client in clients:
            task = asyncio.create_task(client.run())
            stack.push_async_callback(cancel, task)
        for token in tokens[CLIENTS:]:
            await stack.enter_async_context(hub.leaf(token.id, token=token))

        async def all_in():
            return all(client.inside for client in clients) and await leafs(hub) == LEAFS

        await eventually(all_in, "everybody", START_S_MAX)
        hub.server.process.kill()
        hub.server.process.wait()
        await eventually(lambda: not any(client.inside for client in clients), "all to be off")
        hub.server.start()
        began = time.perf_counter()
        await hub.server.ready()

        await eventually(all_in, "everybody to be back", BACK_S_MAX)
        record_property("back_s", round(time.perf_counter() - began, 2))
        print(f"back after {time.perf_counter() - began:.2f} s")


async def test_what_breaks_each_connection_at_once_makes_no_tight_loop(server):
    """Whatever it is: the waits grow, and each connection is told of."""
    times = []

    def spoil():
        times.append(asyncio.get_running_loop().time())
        bus.send(b"NONSENSE\r\n")

    async with connected(server) as bus:
        bus.on_up(spoil)
        bus.send(b"NONSENSE\r\n")
        await eventually(lambda: len(times) >= 5, "the fifth loss")

    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert all(gap >= AGAIN_S_MIN / 2 for gap in gaps)
    assert gaps[-1] >= 4 * AGAIN_S_MIN
