-- Every query of the sessions' database, by name, with what it is for.

-- name: meta_get
-- Numbers that go on, and what is known of the stream of edges.
SELECT generation, published, last_peer, last_session, last_edge FROM meta;

-- name: meta_insert
-- The one row, when a database is made.
INSERT INTO meta (id) VALUES (1);

-- name: meta_last
-- The last numbers, and since when all is recorded, once per transaction.
UPDATE meta SET last_peer = ?, last_session = ?, last_edge = ?, recorded_since = ?;

-- name: meta_recorded
-- Since when all is recorded.
SELECT recorded_since FROM meta;

-- name: meta_generation
-- A new generation of edges, how far the stream is, and since when all is recorded.
UPDATE meta SET generation = ?, published = ?, recorded_since = ?;

-- name: meta_published
-- How far the stream is.
UPDATE meta SET published = ?;

-- name: clamp_session
-- What a clock that was ahead said of sessions; the same for the rest.
UPDATE session SET "begin" = min("begin", ?1), "end" = min("end", ?1)
WHERE "begin" > ?1 OR "end" > ?1;

-- name: clamp_peer
-- Last signs of life.
UPDATE peer SET seen = ?1 WHERE seen > ?1;

-- name: clamp_link
-- Last signs of life at a gateway.
UPDATE link SET seen = ?1 WHERE seen > ?1;

-- name: clamp_gateway
-- How far gateways have reported.
UPDATE gateway SET until = min(until, ?1), arrived = min(arrived, ?1);

-- name: clamp_boot
-- The same for each start.
UPDATE boot SET arrived = ?1 WHERE arrived > ?1;

-- name: gateway_put
-- How far a gateway has reported.
INSERT INTO gateway (number, name, heard, until, arrived, interval_s, boot)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (number) DO UPDATE SET heard = excluded.heard, until = excluded.until,
    arrived = excluded.arrived, interval_s = excluded.interval_s, boot = excluded.boot;

-- name: gateway_all
-- All gateways, at the start.
SELECT number, name, heard, until, arrived, interval_s, boot FROM gateway;

-- name: gateway_silent
-- Gateways that have not reported for so many seconds, and two of their intervals.
SELECT name, arrived FROM gateway WHERE arrived + max(?, 2 * interval_s) < ? ORDER BY name;

-- name: gateway_prune
-- Gateways that are gone for good.
DELETE FROM gateway WHERE arrived < ?;

-- name: boot_put
-- The last report of one start of a gateway.
INSERT INTO boot (gateway, boot, n, arrived) VALUES (?, ?, ?, ?)
ON CONFLICT (gateway, boot) DO UPDATE SET n = excluded.n, arrived = excluded.arrived;

-- name: boot_all
-- All of them, at the start.
SELECT gateway, boot, n, arrived FROM boot;

-- name: boot_prune
-- Those that the stream of reports does not keep any more, but for the current ones.
DELETE FROM boot WHERE arrived < ?
AND boot <> (SELECT boot FROM gateway WHERE number = boot.gateway);

-- name: interface_insert
-- A new interface.
INSERT INTO interface (number, name) VALUES (?, ?);

-- name: interface_all
-- All interfaces, at the start.
SELECT number, name FROM interface;

-- name: organisation_insert
-- A new organisation.
INSERT INTO organisation (number, asn, name) VALUES (?, ?, ?);

-- name: organisation_all
-- All organisations, at the start.
SELECT number, asn, name FROM organisation;

-- name: peer_put
-- A peer and its last sign of life.
INSERT INTO peer (number, key, interface, seen) VALUES (?, ?, ?, ?)
ON CONFLICT (number) DO UPDATE SET seen = excluded.seen;

-- name: peer_forget
-- A peer that the log deleted.
DELETE FROM peer WHERE number = ?;

-- name: peer_all
-- All peers with what each gateway said last, at the start.
SELECT peer.number, key, interface, peer.seen, link.peer, gateway, handshake, received, sent,
       received_base, sent_base, visited, link.seen
FROM peer LEFT JOIN link ON link.peer = peer.number ORDER BY peer.number;

-- name: peer_seen
-- The last sign of life of one peer.
SELECT max(seen, coalesce((SELECT max(seen) FROM link WHERE peer = peer.number), 0))
FROM peer WHERE key = ?;

-- name: peer_unused
-- Peers whose last sign of life was before, by key.
SELECT key FROM peer WHERE key > ? AND seen < ?
AND coalesce((SELECT max(seen) FROM link WHERE link.peer = peer.number), 0) < ?
ORDER BY key LIMIT ?;

-- name: link_put
-- What a gateway said last of a peer.
INSERT INTO link VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (peer, gateway) DO UPDATE SET handshake = excluded.handshake,
    received = excluded.received, sent = excluded.sent, received_base = excluded.received_base,
    sent_base = excluded.sent_base, visited = excluded.visited, seen = excluded.seen;

-- name: link_prune
-- What gateways said that are gone for good.
DELETE FROM link WHERE gateway NOT IN (SELECT number FROM gateway);

-- name: session_insert
-- A session at its begin, or one that is over already.
INSERT INTO session (number, id, peer, interface, "begin", gateways, "end", reason, received, sent,
                     country, organisation)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: session_visits
-- The client came to one more gateway.
UPDATE session SET gateways = ? WHERE number = ?;

-- name: session_placed
-- It is known from where.
UPDATE session SET country = ?, organisation = ? WHERE number = ?;

-- name: session_end
-- A session at its end.
UPDATE session SET "end" = ?, reason = ?, received = ?, sent = ? WHERE number = ?;

-- name: session_open
-- All open sessions by peer, at the start.
SELECT peer.number, session.number, session.interface, "begin", gateways, country IS NOT NULL
FROM session JOIN peer ON peer.key = session.peer WHERE "end" IS NULL;

-- name: session_prune
-- The oldest sessions that ended before, but not those that an edge needs.
DELETE FROM session WHERE number IN (
    SELECT number FROM session WHERE "end" < ?
    AND NOT EXISTS (SELECT 1 FROM edge WHERE edge.session = session.number)
    ORDER BY "end" LIMIT ?);

-- name: edge_insert
-- One more edge.
INSERT INTO edge (number, session, kind) VALUES (?, ?, ?);

-- name: edge_prune
-- Edges that the stream has, but for the last ones.
DELETE FROM edge WHERE number <= ?;

-- name: edge_prune_old
-- Edges that the stream has, of the oldest sessions that ended before.
DELETE FROM edge WHERE number <= ? AND session IN (
    SELECT number FROM session WHERE "end" < ? ORDER BY "end" LIMIT ?);

-- name: edge_oldest
-- The first edge that is kept.
SELECT min(number) FROM edge;

-- name: edge_page
-- Edges after a number, with their sessions as far as an event tells of them.
SELECT edge.number, kind, id, peer, interface.name, "begin", "end", reason, gateways, received,
       sent, country, asn, organisation.name
FROM edge JOIN session ON session.number = edge.session
JOIN interface ON interface.number = session.interface
LEFT JOIN organisation ON organisation.number = session.organisation
WHERE edge.number > ? ORDER BY edge.number LIMIT ?;

-- name: session_page
-- Sessions, newest begin first; `{where}` is made of the conditions that `history_reader` knows.
SELECT session.number, id, peer, interface.name, "begin", "end", reason, gateways, received, sent,
       country, asn, organisation.name
FROM session JOIN interface ON interface.number = session.interface
LEFT JOIN organisation ON organisation.number = session.organisation
WHERE {where} ORDER BY "begin" DESC, session.number DESC LIMIT ?;

-- name: session_now
-- Last sign of life and bytes of an open session.
SELECT max(link.seen), sum(received - received_base), sum(sent - sent_base)
FROM link JOIN peer ON peer.number = link.peer WHERE key = ?;
