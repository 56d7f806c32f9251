"""All that is known of peers and gateways, and what of it is not stored yet.

Called by `wig.sessions`, which decides when a session begins and ends; how that changes memory,
and which rows it changes in the database, is here.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from hashlib import blake2b

from wig import session_changes as rows
from wig import stats
from wig.recorded import Recorded
from wig.session_changes import Changes
from wig.sightings import Boot, Counters, Feed, Gateway, Idle, Link, Open, unpack

SESSION_ID_BYTES = 12


class Table:
    """Peers, their sessions, and gateways; numbers are those of rows."""

    def __init__(self) -> None:
        """Know nothing."""
        self.known: dict[str, bytes | Open] = {}
        """Each peer that ever gave a sign of life: an `Open`, or a packed `Idle`."""
        self.open = 0
        """How many sessions are open."""
        self.gateways: dict[int, Gateway] = {}
        self.recorded = Recorded()
        """Since when there are all reports."""
        self._gateway_of: dict[str, Gateway] = {}
        self._interfaces: dict[str, int] = {}
        self._organisations: dict[tuple[int, str], int] = {}
        self._last_peer = self._last_session = self._last_edge = 0
        self._changes = Changes()
        self._touched: dict[Feed, list[tuple[str, ...]]] = {}
        self._reported: dict[tuple[Gateway, str], None] = {}

    def opened(self) -> list[Open]:
        """Return the sessions that are open."""
        return [each for each in self.known.values() if isinstance(each, Open)]

    def begin(self, idle: Idle, feed: Feed, peer: str, begin: int) -> Open:
        """Begin a session that has no links yet."""
        number = self._last_session = self._last_session + 1
        gateway = self.gateways[feed.gateway].name
        session = Open(
            number=number,
            peer_number=idle.number,
            peer=peer,
            interface=feed.interface,
            begin=begin,
            seen=begin,
            visited=(gateway,),
        )
        if peer not in self.known:
            self._changes.peers.append(
                rows.PeerRow(idle.number, peer, feed.interface_number, begin)
            )
        self._changes.begun.append(
            rows.BegunRow(
                number,
                _session_id(peer, begin, gateway),
                peer,
                feed.interface_number,
                begin,
                gateway,
            )
        )
        self._edge(session, rows.BEGIN)
        self.known[peer] = session
        self.open += 1
        return session

    def link_all(
        self, session: Open, idle: Idle, feed: Feed, counters: Counters, base: Counters
    ) -> None:
        """Link a session to the gateway where it begins, and to all that know the peer."""
        for each in idle.with_counters(base).counters:
            here = each.gateway == feed.gateway
            now = counters if here else each
            link = Link(
                session=session,
                handshake=now.handshake,
                received=now.received,
                sent=now.sent,
                received_base=each.received,
                sent_base=each.sent,
                visited=here,
            )
            gateway = self.gateways[each.gateway]
            self.feed(gateway, feed.interface).links[session.peer] = link
            session.at = (*session.at, each.gateway)

    def rest(self, peer: str, idle: Idle, counters: Counters, seen: int) -> None:
        """Remember what a gateway says of a peer without a session."""
        idle = idle._replace(seen=seen).with_counters(counters)
        self.known[peer] = idle.pack()
        self._changes.peers.append(rows.PeerRow(idle.number, peer, idle.interface, seen))
        self._changes.links.append(_idle_row(idle.number, counters, seen))

    def visit(self, feed: Feed, link: Link) -> None:
        """Remember that a client came to one more gateway."""
        link.visited = True
        session = link.session
        session.visited = (*session.visited, self.gateways[feed.gateway].name)
        self._changes.visits.append((",".join(session.visited), session.number))

    def place(self, session: Open, place: stats.Place) -> None:
        """Remember from where a session is; the first that is known stays."""
        session.placed = True
        organisation = None
        if place.asn:
            name = (place.asn, place.organisation)
            organisation = self._organisations.get(name)
            if organisation is None:
                organisation = self._organisations[name] = len(self._organisations) + 1
                self._changes.organisations.append((organisation, *name))
        self._changes.placed.append((place.country, organisation, session.number))

    def end(self, session: Open, reason: rows.Reason) -> Idle:
        """End a session with its last sign of life; return the peer as it is then."""
        received = sent = 0
        interface = self._interfaces[session.interface]
        found = []
        for number in session.at:
            link = self.gateways[number].feeds[session.interface].links.pop(session.peer)
            received += link.received - link.received_base
            sent += link.sent - link.sent_base
            counters = Counters(number, link.handshake, link.received, link.sent)
            found.append(counters)
            self._changes.links.append(_idle_row(session.peer_number, counters, session.seen))
        idle = Idle(session.seen, session.peer_number, interface, tuple(found))
        self.known[session.peer] = idle.pack()
        self.open -= 1
        session.ended = True
        self._changes.peers.append(
            rows.PeerRow(idle.number, session.peer, idle.interface, idle.seen)
        )
        self._changes.ended.append(
            rows.EndedRow(
                session.seen,
                rows.REASONS.index(reason),
                min(received, rows.BYTES_MAX),
                min(sent, rows.BYTES_MAX),
                session.number,
            )
        )
        self._edge(session, rows.END)
        return idle

    def forget(self, peer: str, number: int) -> None:
        """Forget a peer that has no session."""
        del self.known[peer]
        self._changes.forgotten.append(number)

    def _edge(self, session: Open, kind: int) -> None:
        self._last_edge += 1
        self._changes.edges.append(rows.EdgeRow(self._last_edge, session.number, kind))

    def clamp(self, now: int) -> None:
        """Put everything that is said to be after `now` at `now`: it was by a clock that was wrong.

        That looks at all peers.
        """
        for peer, record in self.known.items():
            if isinstance(record, Open):
                record.begin, record.seen = min(record.begin, now), min(record.seen, now)
            elif (idle := unpack(record)).seen > now:
                self.known[peer] = idle._replace(seen=now).pack()
        for gateway in self.gateways.values():
            gateway.clamp(now)
        self._changes.clamp(now)

    # Numbers.

    def new_peer(self) -> int:
        """Return a number for a peer."""
        self._last_peer += 1
        return self._last_peer

    def gateway(self, name: str) -> Gateway:
        """Return a gateway; it is known from now on."""
        gateway = self._gateway_of.get(name)
        if gateway is None:
            gateway = Gateway(max(self.gateways, default=0) + 1, name)
            self._add_gateway(gateway)
        return gateway

    def _add_gateway(self, gateway: Gateway) -> None:
        self.gateways[gateway.number] = self._gateway_of[gateway.name] = gateway

    def feed(self, gateway: Gateway, interface: str) -> Feed:
        """Return an interface of a gateway; it is known from now on."""
        feed = gateway.feeds.get(interface)
        if feed is None:
            number = self._interfaces.get(interface)
            if number is None:
                number = self._interfaces[interface] = len(self._interfaces) + 1
                self._changes.interfaces.append((number, interface))
            feed = gateway.feeds[interface] = Feed(gateway, interface, number)
        return feed

    # Storing.

    def touch(self, feed: Feed, peers: tuple[str, ...]) -> None:
        """Note that links of these peers, where there are any, have new counters."""
        self._touched.setdefault(feed, []).append(peers)

    def reported(self, gateway: Gateway, boot: str) -> None:
        """Note that a gateway has a newer report."""
        self._reported[gateway, boot] = None

    def forget_boots(self, gateway: Gateway, before: int) -> None:
        """Forget starts of a gateway whose last report arrived before."""
        gateway.boots = {
            boot: last for boot, last in gateway.boots.items() if last.arrived >= before
        }
        self._changes.boots_before = max(before, self._changes.boots_before)

    def restore(self, stored: rows.Stored) -> None:
        """Go on from what is stored; the table is empty before."""
        self._last_peer, self._last_session, self._last_edge = stored.last
        self._interfaces = {name: number for number, name in stored.interfaces}
        self._organisations = {(asn, name): number for number, asn, name in stored.organisations}
        for row in stored.gateways:
            self._add_gateway(_gateway(row))
        latest = max((each.arrived for each in self.gateways.values()), default=0)
        self.recorded = Recorded(stored.recorded_since, latest)
        for boot in stored.boots:
            self.gateways[boot.gateway].boots[boot.boot] = Boot(boot.n, boot.arrived)
        names = {number: name for name, number in self._interfaces.items()}
        for peer, links in stored.peers:
            session = stored.open.get(peer.number)
            if session is None:
                counters = tuple(Counters(*row[1:5]) for row in links)
                idle = Idle(peer.seen, peer.number, peer.interface, counters)
                self.known[peer.key] = idle.pack()
            else:
                self._restore_session(session, peer, names[session.interface], links)

    def _restore_session(
        self, stored: rows.OpenRow, peer: rows.PeerRow, interface: str, links: list[rows.LinkRow]
    ) -> None:
        session = Open(
            number=stored.number,
            peer_number=peer.number,
            peer=peer.key,
            interface=interface,
            begin=stored.begin,
            seen=max((row.seen for row in links), default=stored.begin),
            at=tuple(row.gateway for row in links),
            visited=tuple(stored.gateways.split(",")),
            placed=bool(stored.placed),
        )
        for row in links:
            link = Link(session, *row[2:7], bool(row.visited))
            self.feed(self.gateways[row.gateway], interface).links[peer.key] = link
        self.known[peer.key] = session
        self.open += 1

    def changes(self) -> Changes:
        """Return what is not stored yet."""
        changes = self._changes
        gone = set(changes.forgotten)
        links = [row for row in changes.links if row.peer not in gone]
        for feed, columns in self._touched.items():
            links += _open_rows(feed, set().union(*columns))
        return replace(
            changes,
            last=rows.Last(self._last_peer, self._last_session, self._last_edge),
            recorded_since=self.recorded.since,
            gateways=[_gateway_row(each) for each in {gateway for gateway, _ in self._reported}],
            boots=[
                rows.BootRow(gateway.number, boot, *gateway.boots[boot])
                for gateway, boot in self._reported
                if boot in gateway.boots
            ],
            peers=[row for row in changes.peers if row.number not in gone],
            links=links,
        )

    def committed(self) -> None:
        """Forget what `changes` returned: it is stored."""
        self._changes = Changes()
        self._touched.clear()
        self._reported.clear()


def _open_rows(feed: Feed, peers: Iterable[str]) -> Iterator[rows.LinkRow]:
    """Yield what one gateway said last of those peers that have a session."""
    for link in filter(None, map(feed.links.get, peers)):
        yield rows.LinkRow(
            link.session.peer_number,
            feed.gateway,
            link.handshake,
            link.received,
            link.sent,
            link.received_base,
            link.sent_base,
            int(link.visited),
            link.session.seen,
        )


def _idle_row(peer: int, counters: Counters, seen: int) -> rows.LinkRow:
    """Return the row of a peer without a session: the next one counts from here."""
    _, handshake, received, sent = counters
    return rows.LinkRow(peer, counters.gateway, handshake, received, sent, received, sent, 0, seen)


def _gateway_row(gateway: Gateway) -> rows.GatewayRow:
    return rows.GatewayRow(
        gateway.number,
        gateway.name,
        gateway.heard,
        gateway.until,
        gateway.arrived,
        gateway.interval_s,
        gateway.boot,
    )


def _gateway(row: rows.GatewayRow) -> Gateway:
    gateway = Gateway(row.number, row.name)
    gateway.heard = row.heard
    gateway.until = row.until
    gateway.arrived = row.arrived
    gateway.interval_s = row.interval_s
    gateway.boot = row.boot
    return gateway


def _session_id(peer: str, begin: int, gateway: str) -> str:
    text = f"{peer} {begin} {gateway}".encode()
    return blake2b(text, digest_size=SESSION_ID_BYTES).hexdigest()
