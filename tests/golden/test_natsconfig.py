"""What nats-server reads. A changed line changes who may come in: look twice."""

import subprocess
from pathlib import Path

import pytest

from bridge import natsconfig, server, server_keys
from bridge.credentials import Credentials
from bridge.natsconfig import Hub, JetStream, Leaf, Listener, Tls
from bridge.server_keys import ServerKeys
from wig import nkeys

HERE = Path(__file__).parent
PEM = Path("/etc/wig/tls")
JS = JetStream(domain="hub", directory=Path("/var/lib/wig/nats"), bytes_max=1 << 30)
KEYS = ServerKeys(
    bus=Credentials(id="wig", secret="b"),
    callout=Credentials(id="wig-callout", secret="c"),
    system=Credentials(id="wig-system", secret="s"),
    issuer=nkeys.KeyPair(nkeys.ACCOUNT, bytes(range(32))),
)
SERVED = Tls(certificate=PEM / "hub.pem", key=PEM / "hub.key", ca=PEM / "ca.pem")
PROVEN = Tls(certificate=PEM / "hub.pem", key=PEM / "hub.key", ca=PEM / "ca.pem", verify=True,
             first=True)  # fmt: skip
LOCAL = Listener(host="127.0.0.1", port=4222)
CONFIGURATIONS = {
    "hub": natsconfig.hub(
        Hub(name="hub", clients=LOCAL, jetstream=JS, keys=KEYS, monitor_port=8222)
    ),
    "hub-tls": natsconfig.hub(
        Hub(
            name="hub", clients=Listener(host="::", port=4222, tls=SERVED), jetstream=JS,
            keys=KEYS, monitor_port=0, leafs=Listener(host="0.0.0.0", port=7422, tls=PROVEN),
        )
    ),
    "leaf-token": natsconfig.leaf(
        Leaf(
            name="gw1", clients=LOCAL, remotes=("hub.example:7422", "hub2.example:7422"),
            local=Credentials(id="gw1", secret="l"), token=Credentials(id="gw1", secret="a/b"),
            tls=Tls(ca=PEM / "ca.pem", first=True),
        )
    ),
    "leaf-mtls": natsconfig.leaf(
        Leaf(
            name="gw1", clients=LOCAL, remotes=("hub.example:7422",),
            local=Credentials(id="tls-gw1", secret="l"), jetstream=JS,
            tls=Tls(certificate=PEM / "gw1.pem", key=PEM / "gw1.key", first=True),
        )
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_configuration_is_these_bytes(name):
    """The same values, the same file."""
    assert CONFIGURATIONS[name] == (HERE / f"{name}.conf").read_text()


@pytest.mark.parametrize("name", ["hub", "leaf-token"])
def test_nats_server_takes_it(name, tmp_path):
    """The real one; those with certificates need the files, and are tested where these are."""
    text = CONFIGURATIONS[name].replace("/var/lib/wig", str(tmp_path))
    text = text.replace(f'ca_file: "{PEM / "ca.pem"}"', "")
    (tmp_path / "nats.conf").write_text(text)

    done = subprocess.run(
        [server.find_binary(), "-t", "-c", tmp_path / "nats.conf"], capture_output=True, check=False
    )

    assert done.returncode == 0, done.stderr


def test_a_hash_is_always_the_same_and_right():
    """The salt comes from the secret; another secret has another salt."""
    one, other = server_keys.hashed("one"), server_keys.hashed("other")

    assert one == server_keys.hashed("one")
    assert one.startswith("$2b$04$")
    assert one[7:29] != other[7:29]
    assert server_keys.bcrypt.checkpw(b"one", one.encode())
