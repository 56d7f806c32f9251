"""Values that no program should trip over: each ends in one sentence, and exit code 2."""

import pytest

from tests.builders import key
from wig_cli import main, settings, values

PEER = ("peer", "create", "wg0", "--public-key", key("new"))
NOT_UTF8 = "\udcff"  # how Python shows a program the byte 255
HUB = ("nats-config", "hub", "--dir", "/nowhere")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param((*PEER, "--expire", "999999w"), "--expire: '999999w' is more", id="expire"),
        pytest.param(
            ("session", "list", "--since", "999999w"), "--since: '999999w' is", id="since"
        ),
        pytest.param(
            ("session", "list", "--until", "999999w"), "--until: '999999w' is", id="until"
        ),
        pytest.param(
            ("peer", "list", "--unused-for", "999999w"), "--unused-for: '999999w' is", id="unused"
        ),
        pytest.param((*PEER, "--wait", "9" * 5000), "--wait: '999", id="wait"),
        pytest.param((*PEER, "--name", NOT_UTF8), r"--name: '\xff' is not UTF-8", id="name"),
        pytest.param(
            ("peer", "create", NOT_UTF8), r"INTERFACE: '\xff' is not UTF-8", id="interface"
        ),
        pytest.param(
            (*HUB, "--listen", "127.0.0.1:²"), "--listen: '127.0.0.1:²' is not", id="digit"
        ),
        pytest.param(
            (*HUB, "--listen", "127.0.0.1:" + "9" * 5000), "--listen: '127.0.0.1:999", id="digits"
        ),
        pytest.param((*HUB, "--monitor-port", "-1"), "--monitor-port: '-1' is not", id="port"),
        pytest.param((*HUB, "--max-store", "0"), "--max-store: '0' is not between", id="size"),
        pytest.param((*HUB, "--domain", "a b"), "--domain: 'a b' is not", id="domain"),
    ],
)
def test_a_bad_value_is_one_line_and_exit_code_2(words, message, capsys):
    """Option, value and rule; nothing was connected or written."""
    code = main.main([*words, "--server", "nats://127.0.0.1:1"] if words[0] != HUB[0] else words)

    first, *rest = capsys.readouterr().err.splitlines()
    assert code == 2
    assert first.startswith(f"wig: {message}")
    assert [line.partition(":")[0] for line in rest] in ([], ["hint"])


SERVERS = (
    "", "nats://", "tls://", "://", ",", "nats://a,,", "nats://h:99999", "nats://h:0", "nats://h:abc",
    "nats://h:-1", "nats://[::1", "nats://[zz]:1", "nats://a b", "nats://user:pw@", "http://h",
    "ws://h", "nats://h\n", f"nats://{NOT_UTF8}",
)  # fmt: skip


@pytest.mark.parametrize("text", SERVERS)
def test_what_is_no_url_of_a_server_is_refused(text):
    """nats-py would fail an assertion, or look for a host of a strange name."""
    with pytest.raises(settings.SettingError, match=r"--server: .* is not nats://HOST:PORT"):
        settings.resolve(_given("server", text), {}, ("server",))


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1:4222", "nats://127.0.0.1:4222", "nats://hub.example.org", "tls://hub:4222",
        "nats://[::1]:4222", "nats://[fe80::1%eth0]:4222", "tls://a:1,tls://b:2", "nats://u:p@h:1",
        "nats://müller.example:4222",
    ],
)  # fmt: skip
def test_urls_of_servers_are_taken(text):
    """With and without scheme and port; several, of a cluster; IPv6."""
    assert values.server(text) == text


@pytest.mark.parametrize(
    "text", ["", "@", "@hub", "primary@", "bad name", "primary@a b", "a@b@c", "p.q", "p@>", "ä"]
)
def test_whom_nobody_can_follow_is_refused_at_the_command_line(text, capsys):
    """Names and domains are parts of subjects, where a space ends the connection."""
    for words in (("gateway", "--name", "gw1"), ("datastore", "--db", "/x", "--name", "paris")):
        assert main.main([*words, "--follow", text]) == 2
        assert f"--follow: {text!r} is not NODE or NODE@DOMAIN" in capsys.readouterr().err


def test_a_node_is_followed_with_or_without_its_domain():
    """As the help says."""
    assert values.follow("primary@hub") == "primary@hub"
    assert values.follow("primary") == "primary"
    assert values.domain("hub") == "hub"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("log_max_age", "99999w"), ("log_keep", "9" * 19), ("session_stream_max_bytes", "9" * 19),
        ("domain", "a b"), ("domain", ""), ("server", "nats://h:99999"),
    ],
)  # fmt: skip
def test_a_bad_setting_is_named_with_its_value_and_rule(name, text):
    """What SQLite, NATS or a calendar cannot hold is refused before it gets there."""
    label = f"--{name.replace('_', '-')}: {text!r} is not "
    with pytest.raises(settings.SettingError) as found:
        settings.resolve(_given(name, text), {}, (name,))

    assert str(found.value).startswith(label)


def _given(name, text):
    options = main.parser().parse_args(["status"])
    setattr(options, name, text)
    return options


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"\xff\xfes\x00", "is not TOML: it is not in UTF-8", id="UTF-16"),
        pytest.param('name = "é"'.encode("latin-1"), "is not TOML: it is not in UTF-8", id="Latin"),
        pytest.param(b"name = " + b"[" * 100_000, "is not TOML that has settings", id="deep"),
        pytest.param(b'token_file = "a\\u0000b"', "token_file: has a NUL", id="NUL"),
        pytest.param(b'egress = ["a", "\\u0000"]', "egress: has a NUL", id="NUL in a list"),
    ],
)
def test_a_strange_file_of_settings_is_named(tmp_path, content, message):
    """Whatever is in it: which file, and what is wrong with it."""
    path = tmp_path / "wig.toml"
    path.write_bytes(content)

    with pytest.raises(settings.SettingError) as found:
        settings.resolve(_given("config", str(path)), {})

    assert str(path) in str(found.value)
    assert message in str(found.value)
