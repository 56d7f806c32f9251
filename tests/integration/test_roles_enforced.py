"""The role table, at a real server: what is denied is denied there, whatever the client does."""

import pytest

from tests.guarded import context, guarded
from tests.subject_match import allowed
from tests.wire_client import Hangup, WireClient
from wig import access

LOG = "WIG_other_0a1b"  # of nobody: these subjects are really used
ACK = ".1.7.7.1700000000.0"
HASHED = "hub.AbCdEfGh"


def subjects(me):
    """Return every subject that matters, to publish on."""
    return [
        # replication, and somebody else's
        f"$JS.API.CONSUMER.MSG.NEXT.{LOG}.{me}", f"$JS.API.CONSUMER.MSG.NEXT.{LOG}.{me}-store",
        f"$JS.hub.API.CONSUMER.MSG.NEXT.{LOG}.{me}", f"$JS.API.CONSUMER.MSG.NEXT.{LOG}.other",
        f"$JS.far.API.CONSUMER.{me}", "$JS.far.API.CONSUMER.other",
        f"$JS.far.API.CONSUMER.MSG.NEXT.{LOG}.{me}", f"$JS.far.API.STREAM.PURGE.{LOG}",
        f"$JS.hub.API.CONSUMER.MSG.NEXT.{LOG}.other-store",
        f"$JS.ACK.{LOG}.{me}{ACK}", f"$JS.ACK.{LOG}.other{ACK}", f"$JS.ACK.{me}.other{ACK}",
        f"$JS.ACK.{HASHED}.{LOG}.{me}{ACK}", f"$JS.ACK.{HASHED}.{LOG}.other{ACK}",
        f"wig.node.hub.{me}.attach", f"wig.node.hub.{me}.snapshot", f"wig.node.hub.{me}.credit",
        f"wig.node.hub.{me}.report", f"wig.node.hub.{me}.status", f"wig.node.hub.{me}.peer.list",
        f"wig.node.hub.{me}.drain", "wig.node.hub.other.drain",
        "wig.node.hub.other.attach", "wig.node.hub.other.snapshot", "wig.node.hub.other.status",
        # commands and queries
        f"wig.api.{me}.peer.list", f"wig.api.{me}.token.create", f"wig.api.{me}.node.status",
        f"wig.api.{me}.session.list", "wig.api.admin.token.create", "wig.api.admin.node.status",
        # what belongs to nodes
        f"wig.log.{me}.0a1b.c3d4", "wig.log.other.0a1b.c3d4", f"wig.beacon.{me}",
        "wig.beacon.other", f"wig.stats.{me}", "wig.stats.other", "wig.session.wg0.begin",
        f"_INBOX.{me}.a1", "_INBOX.other.a1",
        # JetStream's management
        "$JS.API.INFO", "$JS.API.STREAM.NAMES", f"$JS.API.STREAM.CREATE.{LOG}",
        f"$JS.API.STREAM.PURGE.{LOG}", f"$JS.API.STREAM.DELETE.{LOG}",
        f"$JS.API.STREAM.MSG.GET.{LOG}", f"$JS.API.STREAM.MSG.DELETE.{LOG}",
        f"$JS.API.STREAM.SNAPSHOT.{LOG}", f"$JS.API.DIRECT.GET.{LOG}",
        f"$JS.API.CONSUMER.CREATE.{LOG}.{me}", f"$JS.API.CONSUMER.DELETE.{LOG}.{me}",
        f"$JS.hub.API.STREAM.PURGE.{LOG}", f"$JS.hub.API.CONSUMER.CREATE.{LOG}.{me}",
        "$JS.API.CONSUMER.MSG.NEXT.WIG_SESSIONS.other",
        f"$JS.API.CONSUMER.MSG.NEXT.WIG_SESSIONS.{me}",
        # the system, and everything else
        "$SYS.REQ.SERVER.PING", "$SYS.REQ.USER.AUTH", "$SYS.REQ.ACCOUNT.PING", "$SRV.PING",
        "anything", "wig", "wig.nothing", "wig.primary",
    ]  # fmt: skip


def interests(me):
    """Return every subject that matters, to listen on."""
    return [
        f"_INBOX.{me}.>", f"_INBOX.{me}.a1.*", "_INBOX.>", "_INBOX.*.a1", "_INBOX.other.>", ">",
        "*", "wig.>", "wig.log.>", "wig.api.>", "wig.api.*.token.*", f"wig.api.{me}.peer.list",
        "wig.node.>", "wig.node.hub.*.attach", f"wig.node.{me}.>", f"wig.node.{me}.*.attach",
        "wig.beacon.*", "wig.beacon.hub", "wig.primary", "wig.stats.*", f"wig.stats.{me}",
        "wig.session.>",
        "$SYS.>", "$SYS.REQ.USER.AUTH", "$JS.API.>", "$JS.hub.API.>", f"$JS.{me}.API.>",
        "$JS.ACK.>", "$JS.EVENT.>", "$SRV.>",
    ]  # fmt: skip


class Trial:
    """Tries every subject, and compares what the server does with the table."""

    def __init__(self, hub, connect, me, role):
        self._hub = hub
        self._connect = connect
        self._me = me
        self._may = access.permissions(role, me)

    async def wrong(self):
        """Return where the server and the table do not agree."""
        async with self._hub.connected(self._hub.options(self._hub.keys.bus)) as self._bus:
            self._client = await self._connect()
            try:
                published = [await self._publish(one) for one in subjects(self._me)]
                heard = [await self._listen(one) for one in interests(self._me)]
            finally:
                await self._client.close()
        return [one for one in (*published, *heard) if one]

    async def _publish(self, subject):
        """Publish, and see whether it reaches somebody who may hear everything."""
        arrived = []

        async def arrive(message):
            arrived.append(message.subject)

        watch = await self._bus.subscribe(subject, arrive)
        refused = await self._client.publish(subject)
        await self._bus.request("$JS.API.INFO", timeout_s=5)  # what was under way has come
        await watch.stop()
        may = allowed(self._may.publish, subject)
        if subject.startswith("$JS.ACK.") and self._client.leaf:
            # nats-server lets leaf nodes acknowledge for anybody. `test_hostile` shows that
            # nobody loses anything by it: positions are told to the datastore, not to JetStream.
            return "" if not refused else f"publish {subject}: {refused}"
        # The server takes what is asked of itself, and passes it to nobody.
        own = subject.startswith(("$JS.API", "$JS.hub.API", "$SYS", "$SRV"))
        await self._again(refused)
        if may == (not refused and (own or bool(arrived))):
            return ""
        if not may and not refused and not arrived and not own:
            return ""  # swallowed
        return f"publish {subject}: may {may}, {refused or 'accepted'}, {arrived or 'swallowed'}"

    async def _listen(self, subject):
        """Subscribe, and see whether something arrives."""
        refused = await self._client.subscribe(subject)
        sample = subject.replace("*", "x").replace(">", "x.y")
        if not refused and not sample.startswith("$SYS"):
            await self._bus.publish(sample, b"{}")
            await self._bus.request("$JS.API.INFO", timeout_s=5)
            refused = await self._client.settle()
        heard = sample in self._client.received
        may = allowed(self._may.subscribe, subject)
        await self._again(["fresh"])
        return "" if heard == may else f"subscribe {subject}: may {may}, {refused}, heard {heard}"

    async def _again(self, refused):
        """Connect again: for a leaf node, the first violation is the last thing that it did."""
        if refused:
            await self._client.close()
            self._client = await self._connect()


@pytest.mark.parametrize("role", access.ROLES)
async def test_a_client_with_a_token_has_the_subjects_of_its_role(tmp_path, role):
    """Directly at the hub."""
    async with guarded(tmp_path) as hub:
        token = await hub.token("me", role)

        def connect():
            login = {"user": token.id, "pass": token.secret}
            return WireClient.open(hub.port, **login)

        assert await Trial(hub, connect, "me", role).wrong() == []


@pytest.mark.parametrize("role", access.ROLES)
async def test_a_leaf_with_a_token_has_the_subjects_of_its_role(tmp_path, role):
    """Even one that does not keep to what the hub tells it."""
    async with guarded(tmp_path) as hub:
        token = await hub.token("me", role)

        def connect():
            login = {"user": token.id, "pass": token.secret}
            return WireClient.open(hub.leaf_port, leaf=True, **login)

        assert await Trial(hub, connect, "me", role).wrong() == []


@pytest.mark.parametrize("role", access.ROLES)
async def test_a_leaf_with_a_certificate_has_the_subjects_of_its_role(tmp_path, role):
    """The allow list gives the role; the identity has the prefix."""
    async with guarded(tmp_path, leaf_mtls=True, certificates=(f"me={role}",)) as hub:
        tls = context(hub.authority.issue("me"))

        def connect():
            return WireClient.open(hub.leaf_port, leaf=True, tls=tls, first=True)

        assert await Trial(hub, connect, "tls-me", role).wrong() == []


@pytest.mark.parametrize("role", access.ROLES)
async def test_a_client_with_a_certificate_has_the_subjects_of_its_role(tmp_path, role):
    """Directly at a hub that wants certificates from clients."""
    async with guarded(tmp_path, client_mtls=True, certificates=(f"me={role}",)) as hub:
        tls = context(hub.authority.issue("me"))

        def connect():
            return WireClient.open(hub.port, tls=tls)

        assert await Trial(hub, connect, "tls-me", role).wrong() == []


async def test_nobody_comes_in_without_a_token(tmp_path):
    """Nothing, a wrong secret, another's name, and the datastore's own users: all refused."""
    async with guarded(tmp_path) as hub:
        token = await hub.token("me", "admin")
        for login in (
            {}, {"user": "me"}, {"user": "me", "pass": "wrong"}, {"auth_token": token.secret},
            {"user": "other", "pass": token.secret}, {"user": "wig", "pass": token.secret},
            {"user": "wig-system", "pass": ""}, {"user": "tls-me", "pass": token.secret},
        ):  # fmt: skip
            for port, leaf in ((hub.port, False), (hub.leaf_port, True)):
                with pytest.raises(Hangup):
                    await WireClient.open(port, leaf=leaf, **login)
