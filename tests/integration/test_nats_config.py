"""`wig nats-config`: the same flags, the same bytes; and what it refuses."""

import stat

import pytest

from bridge import credentials
from tests.guarded import Authority
from tests.program import wig


@pytest.fixture
def pem(tmp_path):
    """Certificates of a hub, a gateway, and their authority."""
    authority = Authority(tmp_path)
    authority.issue("hub", "localhost")
    authority.issue("gw1")
    return {name: str(tmp_path / name) for name in
            ("ca.pem", "hub.pem", "hub.key", "gw1.pem", "gw1.key")}  # fmt: skip


def hub_words(tmp_path, pem, *more):
    return (
        "nats-config", "hub", "--dir", str(tmp_path / "etc"), "--store", str(tmp_path / "js"),
        "--listen", "0.0.0.0:4222", "--leaf-listen", "0.0.0.0:7422", "--cert", pem["hub.pem"],
        "--key", pem["hub.key"], "--ca", pem["ca.pem"], "--check", *more,
    )  # fmt: skip


@pytest.mark.parametrize("auth", ["token", "mtls"])
def test_a_hub_is_written_once_and_again_the_same(tmp_path, pem, auth):
    """nats-server takes it; secrets are made once, in files for their owner."""
    words = hub_words(tmp_path, pem, "--leaf-auth", auth, "--client-auth", auth)
    first = wig(tmp_path, *words)
    assert first.code == 0, first.err
    text = (tmp_path / "etc" / "nats-server.conf").read_bytes()

    assert wig(tmp_path, *words).code == 0
    assert (tmp_path / "etc" / "nats-server.conf").read_bytes() == text
    assert (b"verify: true" in text) == (auth == "mtls")
    for file in (tmp_path / "etc").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    secret = credentials.read(tmp_path / "etc" / "credentials.json").secret
    assert secret.encode() not in text
    assert secret not in first.out + first.err


def test_a_leaf_comes_with_a_token_or_a_certificate(tmp_path, pem):
    """The programs beside it are who the token or the certificate says."""
    credentials.write(tmp_path / "gw1.json", credentials.make("gw1"))
    words = ("nats-config", "leaf", "--name", "gw1", "--remote", "hub.example:7422", "--check")
    token = ("--token-file", str(tmp_path / "gw1.json"), "--ca", pem["ca.pem"])
    proof = ("--cert", pem["gw1.pem"], "--key", pem["gw1.key"], "--ca", pem["ca.pem"])
    follower = ("--domain", "gw1", "--store", str(tmp_path / "js"))

    for name, more, identity in (
        ("a", token, "gw1"), ("b", proof, "tls-gw1"), ("c", (*token, *follower), "gw1"),
    ):  # fmt: skip
        done = wig(tmp_path, *words, "--dir", str(tmp_path / name), *more)
        assert done.code == 0, done.err
        assert credentials.read(tmp_path / name / "credentials.json").id == identity


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("hub", "--listen", "0.0.0.0:4222"), "without TLS"),
        (("hub", "--leaf-listen", "192.0.2.1:7422"), "without TLS"),
        (("hub", "--listen", "4222"), "is not HOST:PORT"),
        (("hub", "--client-auth", "mtls"), "need --cert"),
        (("hub", "--cert", "x.pem"), "its key"),
        (("leaf", "--name", "l", "--remote", "hub:7422"), "neither a token nor a certificate"),
        (("leaf", "--name", "l"), "--remote"),
        (
            ("leaf", "--name", "l", "--remote", "hub:7422", "--token-file", "{token}"),
            "without TLS",
        ),
    ],
)  # fmt: skip
def test_what_would_not_be_safe_is_refused(tmp_path, words, message):
    """Before anything is written."""
    credentials.write(tmp_path / "t.json", credentials.make("gw1"))
    words = [word.replace("{token}", str(tmp_path / "t.json")) for word in words]

    done = wig(tmp_path, "nats-config", *words, "--dir", str(tmp_path / "etc"))

    assert done.code == 2
    assert message in done.err
    assert not (tmp_path / "etc" / "nats-server.conf").exists()


def test_an_old_server_is_refused(tmp_path):
    """With the version that is needed, and why."""
    old = tmp_path / "nats-server"
    old.write_text("#!/bin/sh\necho nats-server: v2.9.10\n")
    old.chmod(0o755)

    done = wig(
        tmp_path, "nats-config", "hub", "--dir", str(tmp_path / "etc"), WIG_NATS_SERVER=str(old)
    )

    assert done.code == 1
    assert "2.9.10" in done.err
    assert "older than 2.14.0" in done.err
    assert "without a login" in done.err


def test_what_nats_server_does_not_take_is_told(tmp_path, pem):
    """In its own words: here, a key that belongs to another certificate."""
    pem = pem | {"hub.key": pem["gw1.key"]}

    done = wig(tmp_path, *hub_words(tmp_path, pem))

    assert done.code == 1
    assert "is refused by nats-server" in done.err
