"""A datastore against the state in memory, through random histories of groups and restarts."""

import random

import pytest

from tests import builders, datastores
from tests.builders import create_interface, create_peer, create_token, delete_peer, key, spec
from tests.world import World
from wig import errors, log, ops, sqlite
from wig.commands import (
    AnyCommand,
    DeleteInterface,
    DeletePeers,
    DeleteToken,
    ImportPeers,
    UpdateInterface,
    UpdatePeer,
)
from wig.decide import decide
from wig.state import State

PEERS = 25
INTERFACES = {"wg0": ("10.0.0.1/27", "fd00::1/122"), "wg1": ("10.1.0.1/28",), "wg2": ()}
ADDRESSES = (None, "auto", "10.0.0.9", "10.0.0.16/29", "10.1.0.4/31", "10.1.0.9")
ADDRESSES6 = (None, "auto", "auto", "fd00::20/124", "fd00::9")


class Generator:
    """Random commands over few names and addresses, so that they meet often."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def spec(self):
        return spec(
            self.random.randrange(PEERS),
            interface=self.random.choice([*INTERFACES, "wg0", "wg0"]),
            ip=self.random.choice(ADDRESSES),
            ip6=self.random.choice(ADDRESSES6),
            name=self.random.choice(["", "a"]),
        )

    def command(self) -> AnyCommand:
        makers = {
            self.create_peer: 45,
            self.delete_peer: 15,
            self.delete_peers: 3,
            self.import_peers: 10,
            self.update_peer: 12,
            self.create_interface: 8,
            self.delete_interface: 3,
            self.update_interface: 3,
            self.create_token: 2,
            self.delete_token: 2,
        }
        (maker,) = self.random.choices([*makers], [*makers.values()])
        return maker()

    def create_peer(self) -> AnyCommand:
        asked = self.spec()
        return create_peer(
            interface=asked.interface, public_key=asked.public_key, ip=asked.ip, ip6=asked.ip6
        )

    def delete_peer(self) -> AnyCommand:
        return delete_peer(self.random.randrange(PEERS))

    def delete_peers(self) -> AnyCommand:
        numbers = self.random.sample(range(PEERS), 3)
        return DeletePeers(public_keys=tuple(key(number) for number in numbers))

    def import_peers(self) -> AnyCommand:
        return ImportPeers(peers=tuple(self.spec() for _ in range(self.random.randint(1, 4))))

    def update_peer(self) -> AnyCommand:
        return UpdatePeer(
            public_key=key(self.random.randrange(PEERS)),
            ip=self.random.choice(ADDRESSES),
            enabled=self.random.random() < 0.5,
        )

    def create_interface(self) -> AnyCommand:
        name = self.random.choice([*INTERFACES])
        port = 1000 + [*INTERFACES].index(name)
        return create_interface(name, port=port, addresses=INTERFACES[name])

    def delete_interface(self) -> AnyCommand:
        return DeleteInterface(
            name=self.random.choice([*INTERFACES]), with_peers=self.random.random() < 0.7
        )

    def update_interface(self) -> AnyCommand:
        return UpdateInterface(
            name=self.random.choice([*INTERFACES]),
            addresses=self.random.choice([*INTERFACES.values(), ("10.0.0.2/26",)]),
        )

    def create_token(self) -> AnyCommand:
        return create_token(self.random.choice("ab"))

    def delete_token(self) -> AnyCommand:
        return DeleteToken(id=self.random.choice("ab"))


class Model(World):
    """The same as a dict, that says `ok` or the code of the error."""

    def __init__(self, datastore: sqlite.Datastore) -> None:
        super().__init__()
        self.epoch = datastore.position().epoch
        op = log.decode_entry(datastore.records(0, 1)[0].payload).op
        self.log.append(op)
        self.state.apply_op(op, self.epoch, 1)

    def outcome(self, command: AnyCommand) -> str:
        made: list[ops.Op] = []
        try:
            for op in decide(self.state, command, builders.NOON):
                made.append(op)
                self.state.apply_op(op, self.epoch, len(self.log) + len(made))
        except errors.WigError as error:
            self.state = State()
            for seq, op in enumerate(self.log, 1):
                self.state.apply_op(op, self.epoch, seq)
            return error.message
        self.log += made
        return "ok"


def outcome(reply) -> str:
    return "ok" if "ok" in reply else reply["error"]["message"]


def check_history(path, seed: int, groups: int) -> None:
    generator = Generator(seed)
    datastore = datastores.make(path)
    model = Model(datastore)
    try:
        for _ in range(groups):
            commands = [generator.command() for _ in range(generator.random.randint(1, 8))]
            replies = datastores.commit(datastore, *map(datastores.request, commands))
            assert [outcome(reply) for reply in replies] == [
                model.outcome(command) for command in commands
            ]
            assert datastore.position().seq == len(model.log)
            assert datastore.state_digest() == model.state.state_digest
            if generator.random.random() < 0.1:
                sqlite.verify(path)
                datastore.close()
                datastore = sqlite.Datastore.open(path)
        assert datastores.contents(datastore)[1] == list(model.state.objects())
        sqlite.verify(path)
    finally:
        datastore.close()


@pytest.mark.parametrize("seed", range(6))
def test_a_datastore_decides_like_the_state_in_memory(tmp_path, monkeypatch, seed):
    """Same answers, positions, digests and objects, with everything cached as little as can be."""
    monkeypatch.setattr("wig.sqlite.islands.WINDOW_ISLANDS", 1 + seed % 3)
    monkeypatch.setattr("wig.sqlite.view.PENDING_PEERS_MAX", 2 + seed)
    monkeypatch.setattr("wig.sqlite.transaction.PENDING_ENTRIES_MAX", 1 + seed)

    check_history(tmp_path / "wig.db", seed, groups=60)


@pytest.mark.torture
def test_a_datastore_decides_like_the_state_in_memory_torture(tmp_path, monkeypatch):
    """Much longer."""
    monkeypatch.setattr("wig.sqlite.islands.WINDOW_ISLANDS", 2)
    for seed in range(100, 150):
        check_history(tmp_path / f"{seed}.db", seed, groups=300)
