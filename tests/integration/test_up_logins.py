"""`wig up`, and who may talk to it: nobody on the machine without a credential."""

import json
import stat
from pathlib import Path

import pytest

from bridge import connection, credentials
from bridge.options import Options
from tests.program import Up
from wig import errors


def up(tmp_path):
    return Up(tmp_path / "state", "--no-gateway")


def test_commands_come_with_the_admins_token(tmp_path):
    """Found by itself, for its owner only, and its id is the actor in the log."""
    with up(tmp_path) as running:
        assert running.wig("interface", "update", "wg0", "--description", "x").code == 0
        entries = running.wig("log", "show", "--output", "json").document["entries"]
        proof = credentials.read(Path(running.ready["admin_token"]))

    assert entries[-1]["actor"] == proof.id == "admin"
    assert stat.S_IMODE(Path(running.ready["admin_token"]).stat().st_mode) == 0o600


async def test_nobody_else_talks_to_the_bus(tmp_path):
    """No credential, a wrong one, or a gateway's for a command."""
    with up(tmp_path) as running:
        url = running.ready["server"]
        made = running.wig("token", "create", "gw1", "--role", "gateway")
        for user, secret in ((None, ""), ("admin", "wrong"), ("nobody", made.document["secret"])):
            options = Options(identity="admin", server=url, user=user, password=secret)
            with pytest.raises(errors.Denied):
                async with connection.opened(options):
                    pass
        (tmp_path / "gw1.json").write_text(made.out)
        asked = running.wig("token", "list", "--token-file", str(tmp_path / "gw1.json"))

    assert asked.code == 1
    assert "may not ask that" in asked.err


def test_a_lost_token_of_this_host_is_replaced(tmp_path):
    """After a restore of the database alone; the others keep theirs."""
    with up(tmp_path) as running:
        file = Path(running.ready["admin_token"])
        old = json.loads(file.read_text())
    for content in (None, {"id": "admin", "secret": "of another database"}):
        file.unlink() if content is None else file.write_text(json.dumps(content))
        with up(tmp_path) as running:
            tokens = running.wig("token", "list", "--output", "json").document["tokens"]
            new = json.loads(file.read_text())
            assert [one["id"] for one in tokens] == ["admin", "local-admin"]
            assert new["id"] == "local-admin"
    file.write_text(json.dumps(old))
    with up(tmp_path) as running:
        assert running.wig("status").code == 0
        assert json.loads(file.read_text()) == old


def test_a_state_directory_from_before_there_were_logins_works(tmp_path):
    """It has the datastore's user only, and the streams of the global account."""
    with up(tmp_path) as running:
        before = running.wig("interface", "list", "--output", "json").document
    nats = tmp_path / "state" / "nats"
    (nats / "auth.json").unlink()
    (nats / "jetstream" / "jetstream" / "WIG").rename(nats / "jetstream" / "jetstream" / "$G")

    with up(tmp_path) as again:
        assert again.wig("interface", "list", "--output", "json").document == before
        assert "a new stream begins" not in (tmp_path / "state.log").read_text()
