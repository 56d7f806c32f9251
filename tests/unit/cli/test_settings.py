"""Where settings come from, and which source wins."""

import argparse
from datetime import timedelta

import pytest

from wig_cli import sessions, settings


def resolved(environment=(), **given):
    options = argparse.Namespace(**given)
    settings.resolve(options, dict(environment))
    return options


@pytest.fixture
def config(tmp_path):
    """A settings file that names a server."""
    path = tmp_path / "wig.toml"
    path.write_text('server = "nats://file:1"\ntimeout = 3\n')
    return str(path)


@pytest.fixture
def local(tmp_path):
    """The state directory of a `wig up`."""
    (tmp_path / "client.toml").write_text('server = "nats://local:1"\ntoken_file = "local.json"\n')
    return str(tmp_path)


def test_flag_wins_over_environment_and_file(config):
    """A flag is the last word."""
    options = resolved({"WIG_SERVER": "nats://variable:1"}, server="nats://flag:1", config=config)

    assert options.server == "nats://flag:1"


def test_environment_wins_over_file(config):
    """The environment comes before the file, and the file can be named there too."""
    options = resolved({"WIG_SERVER": "nats://variable:1", "WIG_CONFIG": config})

    assert (options.server, options.timeout) == ("nats://variable:1", 3.0)


def test_file_wins_over_default(config):
    """The file comes before the default."""
    assert resolved(config=config).server == "nats://file:1"


def test_default_without_anything():
    """Nothing given: the server on this host, where `wig up` is not."""
    assert resolved(state_dir="/does/not/exist").server == "nats://127.0.0.1:4222"


def test_local_wig_up_is_found(local):
    """What `wig up` leaves in its state directory is used when nothing else is said."""
    options = resolved({"WIG_STATE_DIR": local})

    assert (options.server, options.token_file) == ("nats://local:1", "local.json")


def test_local_credential_is_not_sent_to_another_server(local):
    """Naming a server means: not the one on this host, so not its credential either."""
    options = resolved({"WIG_STATE_DIR": local}, server="nats://other:1")

    assert options.token_file is None


def test_empty_variable_is_no_value():
    """`WIG_OUTPUT=` in a unit file is like its absence."""
    assert resolved({"WIG_OUTPUT": ""}).output == "table"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("sever = 'x'", "unknown key 'sever'", id="unknown key"),
        pytest.param("server = ", "is not TOML", id="no TOML"),
        pytest.param("server = ['a']", "must be one value", id="list"),
        pytest.param("output = 'xml'", "is not one of table, json", id="choice"),
        pytest.param("endpoint = 'a b'", "is not a host name or address", id="host"),
        pytest.param("endpoint = 'http://a/'", "is not a host name or address", id="URL"),
        pytest.param("timeout = 'x'", "is not a number of seconds", id="number"),
    ],
)
def test_wrong_settings_file_is_refused(tmp_path, text, message):
    """A mistake in the file is an error that names the file."""
    path = tmp_path / "wig.toml"
    path.write_text(text)

    with pytest.raises(settings.SettingError, match=message) as found:
        resolved(config=str(path))
    assert str(path) in str(found.value)


@pytest.mark.parametrize(
    ("text", "age"),
    [("36h", timedelta(hours=36)), ("120d", timedelta(days=120)), ("2w", timedelta(weeks=2))],
)
def test_an_age_has_a_unit(text, age):
    """Hours, days or weeks."""
    assert resolved(log_max_age=text).log_max_age == age


@pytest.mark.parametrize("text", ["120", "0d", "d", "-1d", "1.5d", "", "9999999d", "1y"])
def test_a_wrong_age_is_refused(text):
    """The error says what an age is."""
    with pytest.raises(settings.SettingError, match=r"--log-max-age: .* as in 120d"):
        resolved(log_max_age=text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30.0), ("15m", 900.0), ("2h", 7200.0), ("0", 0.0)]
)
def test_a_time_has_a_unit_or_is_none(text, seconds):
    """Seconds, minutes or hours."""
    assert resolved(endpoint_max_age=text).endpoint_max_age == seconds


@pytest.mark.parametrize("text", ["30", "0s", "s", "-1s", "1.5m", "", "1d", "12345678s"])
def test_a_wrong_time_is_refused(text):
    """The error says what a time is."""
    for name in ("audit_interval", "endpoint_max_age"):
        with pytest.raises(settings.SettingError, match="is not a time: a number with s, m or h"):
            resolved(**{name: text})


def test_reports_come_at_least_once_an_hour_or_never():
    """Whoever reads them takes a gateway for gone after a while."""
    assert resolved(report_interval="1h").report_interval == 3600.0
    assert resolved(report_interval="0").report_interval == 0.0
    for text in ("61m", "30"):
        with pytest.raises(settings.SettingError, match=r"--report-interval: .* of at most 1h"):
            resolved(report_interval=text)


def test_an_audit_has_an_interval():
    """There is no way to turn it off."""
    with pytest.raises(settings.SettingError, match=r"--audit-interval: '0' .* as in 30s"):
        resolved(audit_interval="0")


@pytest.mark.parametrize(
    ("given", "environment", "text"),
    [
        ({"isolation": "false"}, {}, ""),
        ({}, {"WIG_ISOLATION": "no"}, ""),
        ({}, {}, "isolation = false"),
    ],
    ids=["flag", "variable", "file"],
)
def test_a_switch_can_be_turned_off_everywhere(tmp_path, given, environment, text):
    """What nobody speaks of is on."""
    path = tmp_path / "wig.toml"
    path.write_text(text)

    found = resolved(environment, config=str(path), **given)

    assert (found.isolation, found.firewall) == (False, True)


def test_ways_out_are_separated_by_spaces_in_the_variable():
    """Each has commas of its own."""
    environment = {"WIG_EGRESS": "wg0=table:1,device:eth1  wg1=nat6:none"}

    assert resolved(environment).egress == ("wg0=table:1,device:eth1", "wg1=nat6:none")


@pytest.mark.parametrize("text", ["0", "-1", "many"])
def test_a_wrong_count_is_refused(text):
    """At least the last entry stays."""
    with pytest.raises(settings.SettingError, match=r"--log-keep: .* above 0"):
        resolved(log_keep=text)


@pytest.mark.parametrize(
    ("given", "environment", "text"),
    [
        ({"tls_role": ["gw1=gateway", "p=relay"]}, {}, ""),
        ({}, {"WIG_TLS_ROLE": "gw1=gateway, p=relay"}, ""),
        ({}, {}, 'tls_role = ["gw1=gateway", "p=relay"]'),
        ({}, {}, 'tls_role = "gw1=gateway,p=relay"'),
    ],
    ids=["flags", "variable", "list", "text"],
)
def test_a_setting_of_many_values_can_be_given_everywhere(tmp_path, given, environment, text):
    """Repeated as a flag, with commas elsewhere, and as a list in TOML."""
    path = tmp_path / "wig.toml"
    path.write_text(text)

    assert resolved(environment, config=str(path), **given).tls_role == ("gw1=gateway", "p=relay")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("session_max_age", "1h"),
        ("session_max_age", "99999h"),
        ("session_max_age", "36500d"),
        ("session_max_age", "5214w"),
        ("session_stream_max_age", "25h"),
        ("session_inactivity", "999999s"),
        ("session_inactivity", "999999m"),
        ("session_inactivity", "999999h"),
        ("session_stream_max_bytes", "1000000"),
    ],
)
def test_what_is_said_to_up_arrives_at_its_child(name, text):
    """Whatever can be said: the child would refuse it at each start."""
    given = resolved(**{name: text})
    option, written = sessions.words(given)

    assert option == f"--{name.replace('_', '-')}"
    assert getattr(resolved(**{name: written}), name) == getattr(given, name)
