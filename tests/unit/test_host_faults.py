"""A host in trouble: it is told of, and nothing stops."""

import contextlib
import errno
import os
import shutil
import socketserver
import subprocess
import sys
import threading

import pytest

from tests import builders
from tests.eventually import eventually_sync
from tests.gateways import Follower
from tests.hosts import FakeHost
from wig import errors
from wig.linux import nft, processes, rtnetlink, sysctl
from wig.linux.host import LinuxHost
from wig.linux.processes import Process
from wig.linux.record import Made, Records
from wig.linux.userspace import Userspace
from wig.steps import RemoveInterface

NO_FILES = OSError(errno.EMFILE, os.strerror(errno.EMFILE))


@pytest.mark.parametrize(("method", "subject"), [("observe", "host"), ("perform", "interface wg0")])
def test_a_host_without_files_is_a_problem(tmp_path, monkeypatch, method, subject):
    """Whatever it was asked for: the next audit finds it better."""
    follower = Follower(tmp_path, FakeHost())
    with monkeypatch.context() as trouble:

        def fail(*_):
            raise NO_FILES

        trouble.setattr(follower.host, method, fail)
        follower.load(builders.interface(), builders.peer("a"))
        assert {each.subject: each.reason for each in follower.sink.quarantine()}[subject] == (
            "Too many open files"
        )

    follower.sink.audit()
    assert follower.sink.quarantine() == ()
    assert len(follower.host.devices["wg0"].peers) == 1


def test_rtnetlink_without_files_says_so(monkeypatch):
    """Its event loop needs some of its own."""

    def fail():
        raise NO_FILES

    monkeypatch.setattr(rtnetlink.asyncio, "SelectorEventLoop", fail)
    with (
        pytest.raises(rtnetlink.errors.Unusable, match="rtnetlink: Too many open files"),
        rtnetlink.opened(),
    ):
        pass


@pytest.mark.parametrize("said", ["{", "{}", "[]"])
def test_a_table_that_nft_cannot_tell_of_is_none(tmp_path, monkeypatch, said):
    """It is replaced."""
    program = tmp_path / "nft"
    program.write_text(f"#!/bin/sh\necho '{said}'\n")
    program.chmod(0o700)
    monkeypatch.setattr(nft, "PROGRAM", str(program))

    assert nft.listing("inet", "wig") is None


@pytest.fixture
def device(tmp_path):
    """Something that looks like the device `60`."""
    program = tmp_path / "wireguard-go"
    program.symlink_to(shutil.which("sleep"))
    with subprocess.Popen([program, "60"]) as process:
        eventually_sync(lambda: processes.runs("60"), "the process")
        yield process
        process.kill()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to do without")
@pytest.mark.usefixtures("device")
def test_a_device_is_found_by_who_has_fewer_rights():
    """A unit that takes over what was started in a shell; `auto` would leave its clients."""
    rights = "-all,+net_admin,+net_bind_service"
    ask = "from wig.linux import processes; print(processes.runs('60'), processes.runs('61'))"
    limited = ["setpriv", "--bounding-set", rights, "--inh-caps", rights]
    done = subprocess.run([*limited, sys.executable, "-c", ask], capture_output=True, check=True)

    assert done.stdout == b"True False\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a network namespace")
@pytest.mark.usefixtures("device")
def test_a_device_of_another_network_namespace_is_not_found():
    """It may have the same name."""
    ask = "from wig.linux import processes; print(processes.runs('60'))"
    done = subprocess.run(
        ["unshare", "-n", sys.executable, "-c", ask], capture_output=True, check=True
    )

    assert done.stdout == b"False\n"


def test_a_process_may_end_before_it_is_killed():
    """That is what was wanted."""
    with subprocess.Popen([shutil.which("true")]) as child:
        process = Process(child.pid)
    process.kill()
    process.close()


class Backend(Userspace):
    """One that has nothing yet, and needs no program for that."""

    def __init__(self, directory):
        self._directory = directory
        self._processes, self._connections, self._memory = {}, {}, {}


class Silent(Backend):
    """One whose devices hang half-way."""

    def samples(self, name):
        yield [name]
        raise errors.Unusable("wireguard-go does not answer")


def test_a_device_that_does_not_say_all_is_told_apart(tmp_path):
    """From one that has no more peers; the next ones are read."""
    records = Records(tmp_path, "gw")
    records.save_made(Made(interfaces=("wg0", "wg1")))

    batches = list(LinuxHost(Silent(tmp_path), records).samples())

    assert [(each.interface, each.answered) for each in batches] == [
        *(("wg0", True), ("wg0", False)),
        *(("wg1", True), ("wg1", False)),
    ]


def test_a_device_that_was_not_understood_is_revived_without_its_clients(tmp_path):
    """They greet by themselves; nothing else comes to an end with it."""
    backend = Backend(tmp_path)
    backend._memory["wg0"] = b"public_key=x\nendpoint=y\n"

    assert backend.revive("wg0") == {}
    assert backend._memory == {}


class Vanishing(Backend):
    """One whose socket directory is read-only, say."""

    def remove(self, name):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def test_an_undoing_goes_on_after_what_fails(tmp_path, monkeypatch):
    """All the rest is undone, and each failure is told with its reason."""
    monkeypatch.setattr(sysctl, "ROOT", tmp_path)
    (tmp_path / "first").mkdir()
    (tmp_path / "second").write_text("1")
    monkeypatch.setattr(sysctl, "read", lambda _: "1")
    records = Records(tmp_path, "gw")
    records.save_made(Made(interfaces=("wg0", "wg1"), sysctls={"first": "0", "second": "0"}))

    problems = LinuxHost(Vanishing(tmp_path), records).undo()

    assert [(each.subject, each.reason) for each in problems] == [
        ("interface wg0", "Read-only file system"),
        ("interface wg1", "Read-only file system"),
        ("parameter first", "cannot set first to 0: Is a directory"),
    ]
    assert (tmp_path / "second").read_text() == "0"
    assert records.made().interfaces == ("wg0", "wg1")


class Noting(Backend):
    """One that only notes what it is to remove."""

    def __init__(self, directory):
        super().__init__(directory)
        self.removed = []

    def remove(self, name):
        self.removed.append(name)
        return True


class _Answer(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.recv(100)
        self.request.sendall(b"listen_port=4000\nerrno=0\n\n")


@contextlib.contextmanager
def served(path):
    """A device that answers."""
    with socketserver.UnixStreamServer(str(path), _Answer) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield
        finally:
            server.shutdown()


def test_only_what_was_made_or_adopted_is_removed(tmp_path):
    """The name may be a stranger's, who was there first."""
    backend = Noting(tmp_path)
    host = LinuxHost(backend, Records(tmp_path, "gw"))

    host.perform(RemoveInterface(name="wg0"))

    assert backend.removed == []


def test_a_link_of_another_kind_has_no_device(tmp_path):
    """What answers by its name is in another network namespace, and is not adopted."""
    backend = Backend(tmp_path)
    host = LinuxHost(backend, Records(tmp_path, "gw"))
    with served(tmp_path / "lo.sock"):
        assert backend.read("lo") is not None

        found = host.observe(["lo"])

    assert found.interfaces["lo"].device is None
    assert found.made == frozenset()


def test_a_socket_without_a_process_of_ours_stays(tmp_path):
    """It answers: the device is in another network namespace, and would end without it."""
    path = tmp_path / "wg0.sock"
    with served(path):
        removed = Backend(tmp_path).remove("wg0")

    assert not removed
    assert path.exists()
