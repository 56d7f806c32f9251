"""A host in trouble: it is told of, and nothing stops."""

import errno
import os
import shutil
import subprocess

import pytest

from tests import builders
from tests.gateways import Follower
from tests.hosts import FakeHost
from wig.linux import nft, rtnetlink
from wig.linux.userspace import _Process

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


def test_a_process_may_end_before_it_is_killed():
    """That is what was wanted."""
    with subprocess.Popen([shutil.which("true")]) as child:
        process = _Process(child.pid)
    process.kill()
    process.close()
