"""Subjects: what is made is what is parsed, and nobody's answer goes elsewhere."""

import pytest

from bridge import subjects


def test_requests_are_parsed_as_they_are_made():
    """Identity and verb come back out of the subject."""
    assert subjects.parse_api(subjects.api("ops", "peer.create")) == ("ops", "peer.create")
    assert subjects.parse_node(subjects.node("hub", "gw1", "attach")) == ("hub", "gw1", "attach")
    assert subjects.parse_node(subjects.node("hub", "gw1", "peer.list")) == (
        "hub", "gw1", "peer.list",
    )  # fmt: skip


@pytest.mark.parametrize(
    "subject",
    ["wig.api.ops.peer", "wig.api.ops.peer.create.now", "wig.api..peer.create", "x.api.ops.a.b",
     "wig.api.ops.Peer.create", "wig.api.ops.peer.create\n"],
)  # fmt: skip
def test_other_subjects_are_no_requests(subject):
    """Anything else is None, never a guess."""
    assert subjects.parse_api(subject) is None


@pytest.mark.parametrize(
    ("reply", "allowed"),
    [
        ("_INBOX.gw1.x", True),
        ("_INBOX.gw1.x.7", True),
        ("_INBOX.gw1", False),
        ("_INBOX.gw1.", False),
        ("_INBOX.gw11.x", False),
        ("_INBOX.x.gw1", False),
        ("wig.api.gw1.peer.create", False),
        ("$JS.API.STREAM.DELETE.X", False),
        ("", False),
    ],
)
def test_answers_go_to_the_inbox_of_the_asker_only(reply, allowed):
    """Everything that is not under `_INBOX.<id>.` is refused."""
    assert subjects.may_answer(reply, "gw1") is allowed


def test_streams_of_a_node_are_recognised():
    """The generation comes back, and another node's stream is not taken for ours."""
    assert subjects.generation_of(subjects.stream("hub", "0a1b"), "hub") == "0a1b"
    assert subjects.generation_of("WIG_hub_2_0a1b", "hub") is None
    assert subjects.generation_of("WIG_hub_2_0a1b", "hub_2") == "0a1b"
    assert subjects.generation_of("WIG_SESSIONS", "hub") is None
    assert subjects.instance_of(subjects.log("hub", "0a1b", "me")) == "me"


def test_the_api_of_a_domain_has_its_name():
    """Without a domain it is the server's own."""
    assert subjects.js_api(None) == "$JS.API"
    assert subjects.js_api("hub") == "$JS.hub.API"
