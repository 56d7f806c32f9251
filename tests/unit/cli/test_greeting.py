"""What `wig up` says when it is ready."""

import json

from tests.builders import key
from wig_cli.greeting import Greeting


def greeting(**fields):
    return Greeting(
        **{
            "server": "nats://127.0.0.1:4222",
            "state_dir": "/var/lib/wig",
            "endpoint": "vpn.example.org",
            "guessed": False,
            "nodes": [
                {"name": "primary", "role": "primary", "position": {"seq": 1200}, "lag_entries": 0},
                {"name": "local", "role": "gateway", "position": {"seq": 1200}, "lag_entries": 0},
            ],
            "interfaces": [
                {
                    "name": "wg0", "port": 51820, "public_key": key(0),
                    "addresses": ["10.8.0.1/16", "fd08::1/64"],
                }
            ],
            "gateway": True,
            "down_on_exit": False,
        }
        | fields
    )  # fmt: skip


def test_the_screen_of_a_usual_start():
    """One screen: what runs where, and what to type next."""
    assert (
        greeting().screen()
        == """\
wig is up

  server     nats://127.0.0.1:4222
  state      /var/lib/wig
  primary    primary, at entry 1,200
  gateway    local, at entry 1,200
  interface  wg0, UDP port 51820, 10.8.0.1/16, fd08::1/64
  endpoint   vpn.example.org

next, in another terminal:
  wig peer create wg0 --name alice --config-out alice.conf
  wig peer create wg0 --name phone --qr
  wig status

Ctrl-C stops wig. The VPN's interfaces stay up and carry packets.
"""
    )


def test_a_guess_is_called_one():
    """Behind NAT it is wrong, and the reader is told how to correct it."""
    assert "endpoint   192.0.2.7 (a guess: --endpoint HOST" in (
        greeting(endpoint="192.0.2.7", guessed=True).screen()
    )
    assert "endpoint   not known: start with --endpoint" in (
        greeting(endpoint=None, guessed=True).screen()
    )


def test_what_to_type_next_works_without_an_endpoint():
    """Where nothing can be guessed, the commands that need it say so."""
    text = greeting(endpoint=None, guessed=True).screen()

    assert "--name phone --qr --endpoint HOST\n" in text


def test_what_is_behind_or_in_trouble_is_shown():
    """Being up with a problem is not the same as being up."""
    node = {"name": "local", "role": "gateway", "lag_entries": 7, "problems": ["wg0: port in use"]}

    text = greeting(nodes=[node]).screen()

    assert "gateway    local, at entry 0, 7 behind\n" in text
    assert "             wg0: port in use\n" in text


def test_without_an_interface_the_first_step_is_to_make_one():
    """There is no peer without an interface."""
    assert "wig interface create wg0" in greeting(interfaces=[]).screen()


def test_the_end_is_told_as_it_will_be():
    """Whether packets go on after Ctrl-C depends on how it was started."""
    assert "removes the VPN's interfaces" in greeting(down_on_exit=True).screen()
    assert "no packets are carried" in greeting(gateway=False).screen()


def test_programs_get_all_fields():
    """Defaults are filled in, as everywhere in JSON output."""
    found = json.loads(greeting().document())

    assert found["interfaces"][0]["dns"] == []
    assert found["nodes"][1]["problems"] == []
    assert found["admin_token"] == "/var/lib/wig/admin.json"
