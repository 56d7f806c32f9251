"""TLS to a server of the operator's own: the flags do what they say."""

import os
import subprocess
from pathlib import Path

import pytest
import trustme

from bridge import credentials, probe, server
from tests.eventually import eventually_sync
from tests.program import running, wig

CONFIG = """
listen: "127.0.0.1:{port}"
jetstream {{ store_dir: "{store}" }}
tls {{ cert_file: "{folder}/server.pem", key_file: "{folder}/server.key",
       ca_file: "{folder}/ca.pem", verify: true }}
authorization {{ users: [ {{ user: "admin", password: "{secret}" }} ] }}
"""


@pytest.fixture
def secured(tmp_path):
    """A nats-server that wants a client's certificate and a password; returns the options."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    for name, issued in (("server", ca.issue_cert("localhost")), ("client", ca.issue_cert("wig"))):
        issued.private_key_pem.write_to_path(tmp_path / f"{name}.key")
        issued.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.pem")
    trustme.CA().cert_pem.write_to_path(tmp_path / "other-ca.pem")
    token = credentials.make("admin")
    credentials.write(tmp_path / "admin.json", token)
    port = probe.free_ports("127.0.0.1", 1)[0]
    config = tmp_path / "nats.conf"
    config.write_text(
        CONFIG.format(port=port, store=tmp_path / "js", folder=tmp_path, secret=token.secret)
    )
    with (tmp_path / "nats.log").open("wb") as log, subprocess.Popen(
        [server.find_binary(), "-c", config], stdout=log, stderr=log
    ) as process:  # fmt: skip
        try:
            yield {
                "--server": f"tls://localhost:{port}",
                "--token-file": str(tmp_path / "admin.json"),
                "--tls-ca": str(tmp_path / "ca.pem"),
                "--tls-cert": str(tmp_path / "client.pem"),
                "--tls-key": str(tmp_path / "client.key"),
            }
        finally:
            process.kill()


def words(options):
    return [word for pair in options.items() for word in pair]


@pytest.fixture
def served(secured, tmp_path):
    """A datastore on it."""
    state, db = tmp_path / "state", str(tmp_path / "wig.db")
    assert wig(state, "init", "--db", db).code == 0
    with running(state, "datastore", "--db", db, "--name", "primary", *words(secured)):
        eventually_sync(
            lambda: wig(state, "status", *words(secured)).code == 0, "the datastore", 20
        )
        yield secured


def test_commands_work_over_tls(served, tmp_path):
    """With the right authority, a certificate and a token."""
    created = wig(
        tmp_path / "state", "interface", "create", "wg0", "--address", "10.0.0.1/24", *words(served)
    )

    assert created.code == 0


@pytest.mark.parametrize(
    ("option", "value"),
    [
        pytest.param("--tls-ca", "other-ca.pem", id="another authority"),
        pytest.param("--tls-cert", None, id="no certificate"),
        pytest.param("--tls-ca", None, id="the system's authorities"),
    ],
)
def test_a_wrong_identity_is_refused(secured, tmp_path, option, value):
    """No flag is ignored: without the right one there is no connection."""
    options = secured | {option: value and str(Path(tmp_path) / value)}
    if option == "--tls-cert":
        del options["--tls-key"]
    options = {name: text for name, text in options.items() if text is not None}

    done = wig(tmp_path / "state", "status", *words(options), SSL_CERT_FILE=os.devnull)

    assert done.code in {1, 3}
    assert done.err.startswith("wig: ")
