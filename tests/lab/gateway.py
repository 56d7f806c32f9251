"""A gateway on a host of the lab, driven by a test instead of replication."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Self

from tests.builders import NOON
from tests.lab.host import Host
from wig import codec, errors, log, ops
from wig.model import Interface, Object, Peer
from wig.ops import Op
from wig.snapshot import Header
from wig.state import State


class DrivenGateway:
    """One gateway process after the other, and the log that it follows.

    Its WireGuard is the one that every machine can have, unless the options say otherwise. Calls
    return how long the gateway took, in seconds, unless they say something else.
    """

    def __init__(self, host: Host, *, prefix: Sequence[str] = (), **options: Any) -> None:
        self.host = host
        self._prefix = prefix
        """What runs the program: `env NAME=VALUE`, for example."""
        self._options = {"wireguard": "userspace"} | options
        self.state = State(allocating=False)
        self._seq = 0
        self._digest = log.ZERO_DIGEST
        self.start()

    def start(self) -> None:
        """Start a process; the one before it must have ended."""
        self._program = self.host.spawn(
            *self._prefix,
            *(sys.executable, "-m", "tests.lab.run_gateway"),
            json.dumps(self._options),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.version = str(self._reply()["version"])
        """Of the program that runs now."""

    def start_again(self, **options: Any) -> None:
        """End the process, and start another with other options, which stay."""
        self.stop()
        self._options |= options
        self.start()

    def upgrade(self, prefix: Sequence[str]) -> None:
        """End the process, and start another program, by another prefix, which stays."""
        self.stop()
        self._prefix = prefix
        self.start()

    @property
    def pid(self) -> int:
        """Return the process's id, as this machine sees it."""
        return self._program.pid

    def set(self, *things: Object) -> float:
        """Create, or update, objects by ops."""
        return self.apply(*map(self._op, things))

    def delete(self, *things: Interface | Peer) -> float:
        """Delete objects by ops."""
        return self.apply(
            *(
                ops.PeerDelete(public_key=thing.public_key)
                if isinstance(thing, Peer)
                else ops.InterfaceDelete(name=thing.name)
                for thing in things
            )
        )

    def _op(self, thing: Object) -> Op:
        if isinstance(thing, Peer):
            new = self.state.peer(thing.public_key) is None
            return ops.PeerCreate(peer=thing) if new else ops.PeerUpdate(peer=thing)
        assert isinstance(thing, Interface)
        new = self.state.interface(thing.name) is None
        kind = ops.InterfaceCreate if new else ops.InterfaceUpdate
        return kind(interface=thing)

    def apply(self, *changes: Op) -> float:
        """Give it ops, all in one batch."""
        records = []
        for op in changes:
            self._seq += 1
            self.state.apply_op(op, "e", self._seq)
            entry = log.Entry(seq=self._seq, time=NOON, actor="test", request="", op=op)
            payload = log.encode_entry(entry)
            self._digest = log.chain(self._digest, payload)
            records.append([self._seq, payload.decode(), self._digest.hex()])
        return float(self.ask("apply", records=records)["took_s"])

    def load(self, objects: Iterable[Object] | None = None) -> float:
        """Give it a snapshot of these objects, or of what it has."""
        if objects is not None:
            self.state = State(allocating=False)
            for thing in objects:
                self.state.add(thing)
            self._seq += 1
        position = log.Position(epoch="e", seq=self._seq, digest=self._digest.hex())
        header = Header(
            database="db",
            position=position,
            lineage=(log.Fork(epoch="e", parent="", seq=0, digest=""),),
            state_digest=self.state.state_digest,
            objects=len(self.state),
        )
        lines = [codec.encode(thing).decode() for thing in self.state.objects()]
        reply = self.ask("load", header=codec.encode(header).decode(), objects=lines)
        return float(reply["took_s"])

    def audit(self) -> int:
        """Return how many differences an audit repaired."""
        return int(self.ask("audit")["differences"])

    def wipe(self, later_s: float) -> int:
        """Return how many addresses are forgotten when it looks so much later."""
        return int(self.ask("wipe", later_s=later_s)["wiped"])

    def quarantine(self) -> dict[str, str]:
        """Return the reason of each subject."""
        return dict(self.ask("quarantine")["problems"])

    def ask(self, do: str, **fields: Any) -> Any:
        """Ask the process for something; raises what the gateway raised."""
        assert self._program.popen.stdin is not None
        self._program.popen.stdin.write(json.dumps({"do": do, **fields}).encode() + b"\n")
        self._program.popen.stdin.flush()
        return self._reply()

    def _reply(self) -> Any:
        assert self._program.popen.stdout is not None
        line = self._program.popen.stdout.readline()
        assert line, "the gateway ended"
        reply = json.loads(line)
        if "error" in reply:
            raise errors.from_body(errors.ErrorBody(**reply["error"]))
        return reply

    def stop(self, *, down: bool = False) -> None:
        """End the process; its interfaces stay, unless `down`."""
        self.ask("close", down=down)
        assert self._program.popen.stdin is not None
        self._program.popen.stdin.close()
        assert self._program.wait() == 0
        self._program.stop()

    def kill(self) -> None:
        """End it as a crash does."""
        self._program.stop(signal.SIGKILL)

    def restart(self) -> None:
        """End it, start another, and give that one the state."""
        self.stop()
        self.start()
        self.load()

    def wireguard_pid(self, name: str = "wg0") -> int:
        """Return the process behind an interface, as the host sees it."""
        return int(self.host.out("pgrep", "-f", f"wireguard-go.* {name}$").split()[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._program.stop()
