-- Every query of the datastore, by name, with what it is for. `sql.query` hands them out.

-- name: schema_all
-- How tables and indexes are defined.
SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL;

-- name: meta_get
-- Who and where this database is.
SELECT database, role, fenced, generation, epoch, seq, digest, state_digest, base_seq, base_digest
FROM meta;

-- name: meta_insert
-- The one row, when a database is made.
INSERT INTO meta (id, database, role, epoch, seq, digest, state_digest, base_seq, base_digest)
VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: meta_head
-- The position and the state digest, once per transaction.
UPDATE meta SET epoch = ?, seq = ?, digest = ?, state_digest = ?;

-- name: meta_load
-- Everything that a snapshot decides; the stream of the log before is not this log's.
UPDATE meta SET generation = '', database = ?, epoch = ?, seq = ?, digest = ?, state_digest = ?,
                base_seq = ?, base_digest = ?;

-- name: meta_base
-- Where the kept part of the log begins.
UPDATE meta SET base_seq = ?, base_digest = ?;

-- name: meta_generation
-- The generation of the stream, before the stream is made.
UPDATE meta SET generation = ?;

-- name: meta_fence
-- Another one is the primary now.
UPDATE meta SET fenced = ?;

-- name: meta_promote
-- A follower becomes the primary.
UPDATE meta SET role = 'primary', fenced = '';

-- name: lineage_list
-- All epochs, from the first.
SELECT epoch, parent, seq, digest FROM lineage ORDER BY number;

-- name: lineage_insert
-- One more epoch.
INSERT INTO lineage (epoch, parent, seq, digest) VALUES (?, ?, ?, ?);

-- name: lineage_forget
-- All but so many, the oldest first.
DELETE FROM lineage WHERE number <= (SELECT max(number) FROM lineage) - ?;

-- name: lineage_clear
-- Before a snapshot's own lineage is stored.
DELETE FROM lineage;

-- name: entry_insert
-- One entry of the log.
INSERT INTO entry (seq, time, payload, digest) VALUES (?, ?, ?, ?);

-- name: entry_page
-- Entries after a sequence, in order.
SELECT seq, payload, digest FROM entry WHERE seq > ? ORDER BY seq LIMIT ?;

-- name: entry_get
-- One entry.
SELECT seq, payload, digest FROM entry WHERE seq = ?;

-- name: entry_all
-- The whole kept log; for `verify`.
SELECT seq, time, payload, digest FROM entry ORDER BY seq;

-- name: entry_young
-- The first entry, among the next ? after ?, that is not older than a time.
SELECT min(seq) FROM (SELECT seq, time FROM entry WHERE seq > ? ORDER BY seq LIMIT ?)
WHERE time >= ?;

-- name: entry_prune
-- Forget entries up to a sequence.
DELETE FROM entry WHERE seq <= ?;

-- name: entry_clear
-- Before a snapshot is loaded.
DELETE FROM entry;

-- name: request_all
-- Every recorded outcome; for `verify`.
SELECT actor, id, head, reply FROM request;

-- name: request_known
-- What was answered to any of many requests, given as a JSON array of [actor, id].
SELECT actor, request.id, reply, head FROM json_each(?) AS wanted
CROSS JOIN request ON actor = wanted.value ->> 0 AND request.id = wanted.value ->> 1;

-- name: request_insert
-- What is answered to this request, now and later.
INSERT INTO request (actor, id, time, head, reply) VALUES (?, ?, ?, ?, ?);

-- name: request_oldest
-- The oldest outcomes.
SELECT number, time FROM request ORDER BY number LIMIT ?;

-- name: request_prune
-- Forget outcomes up to a number.
DELETE FROM request WHERE number <= ?;

-- name: request_clear
-- Before a snapshot is loaded: another timeline's outcomes are not ours.
DELETE FROM request;

-- name: interface_get
-- One interface by name.
SELECT body FROM interface WHERE name = ?;

-- name: interface_list
-- All interfaces.
SELECT body FROM interface ORDER BY name;

-- name: interface_columns
-- All interfaces with what stands beside their bodies; for `verify`.
SELECT body, name, port, peers FROM interface ORDER BY name;

-- name: interface_peers
-- How many peers an interface has.
SELECT peers FROM interface WHERE name = ?;

-- name: interface_insert
-- A new interface.
INSERT INTO interface (name, port, body) VALUES (?, ?, ?);

-- name: interface_update
-- An interface as it is from now on.
UPDATE interface SET port = ?, body = ? WHERE name = ?;

-- name: interface_count
-- That many peers more (or less).
UPDATE interface SET peers = peers + ? WHERE name = ?;

-- name: interface_delete
-- An interface that has no peers any more.
DELETE FROM interface WHERE name = ?;

-- name: interface_count_peers
-- Every interface's number of peers, counted, after a snapshot was loaded.
UPDATE interface SET peers = (SELECT count(*) FROM peer WHERE peer.interface = interface.name);

-- name: interface_clear
-- Before a snapshot is loaded.
DELETE FROM interface;

-- name: peer_get
-- One peer by its key.
SELECT body FROM peer WHERE public_key = ?;

-- name: peer_known
-- Which of many keys, given as a JSON array, are peers'.
SELECT public_key FROM json_each(?) AS wanted CROSS JOIN peer ON public_key = wanted.value;

-- name: peer_row
-- What has to be undone when a peer changes or goes.
SELECT number, interface, ip_first, ip_last, ip6_first, ip6_last, body
FROM peer WHERE public_key = ?;

-- name: peer_insert
-- A new peer.
INSERT INTO peer
    (public_key, interface, ip_first, ip_last, ip6_first, ip6_last, expire, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: peer_update
-- A peer as it is from now on.
UPDATE peer
SET ip_first = ?, ip_last = ?, ip6_first = ?, ip6_last = ?, expire = ?, body = ?
WHERE number = ?;

-- name: peer_delete
-- A peer that is gone.
DELETE FROM peer WHERE number = ?;

-- name: peer_clear
-- Before a snapshot is loaded.
DELETE FROM peer;

-- name: peer_page
-- Peers after a key, in order of keys.
SELECT body, public_key FROM peer WHERE public_key > ? ORDER BY public_key LIMIT ?;

-- name: peer_page_of_large
-- Peers of an interface after a key: walk along all keys, since many of them are this one's.
SELECT body, public_key FROM peer
WHERE public_key > ? AND +interface = ? ORDER BY public_key LIMIT ?;

-- name: peer_page_of_small
-- The same: take all peers of the interface, since they are few, and sort them.
SELECT body, public_key FROM peer
WHERE +public_key > ? AND interface = ? ORDER BY +public_key LIMIT ?;

-- name: peer_expired
-- Peers whose time has come, the most overdue first.
SELECT body FROM peer WHERE expire IS NOT NULL AND expire <= ? ORDER BY expire LIMIT ?;

-- name: peer_at_4
-- The last peer of an interface whose IPv4 range begins at or before an address.
SELECT body, ip_last FROM peer
WHERE interface = ? AND ip_first IS NOT NULL AND ip_first <= ? ORDER BY ip_first DESC LIMIT 1;

-- name: peer_at_6
-- The same for IPv6.
SELECT body, ip6_last FROM peer
WHERE interface = ? AND ip6_first IS NOT NULL AND ip6_first <= ? ORDER BY ip6_first DESC LIMIT 1;

-- name: peer_ranges_4
-- The IPv4 ranges of an interface's peers, in order.
SELECT ip_first, ip_last FROM peer
WHERE interface = ? AND ip_first IS NOT NULL ORDER BY ip_first;

-- name: peer_ranges_6
-- The same for IPv6.
SELECT ip6_first, ip6_last FROM peer
WHERE interface = ? AND ip6_first IS NOT NULL ORDER BY ip6_first;

-- name: peer_indexes
-- What is rebuilt faster than kept while a snapshot is loaded.
SELECT name, sql FROM sqlite_schema
WHERE type = 'index' AND tbl_name = 'peer' AND sql IS NOT NULL;

-- name: peer_columns
-- Every peer with everything that stands beside its body; for `verify`.
SELECT body, public_key, interface, ip_first, ip_last, ip6_first, ip6_last, expire
FROM peer ORDER BY public_key;

-- name: peer_all
-- Every peer, in order of keys; for snapshots.
SELECT body FROM peer ORDER BY public_key;

-- name: token_get
-- One token by its identity.
SELECT body FROM token WHERE id = ?;

-- name: token_list
-- All tokens.
SELECT body FROM token ORDER BY id;

-- name: token_columns
-- All tokens with what stands beside their bodies; for `verify`.
SELECT body, id FROM token ORDER BY id;

-- name: token_insert
-- A new token.
INSERT INTO token (id, body) VALUES (?, ?);

-- name: token_update
-- A token as it is from now on.
UPDATE token SET body = ? WHERE id = ?;

-- name: token_delete
-- A token that is gone.
DELETE FROM token WHERE id = ?;

-- name: token_clear
-- Before a snapshot is loaded.
DELETE FROM token;

-- name: island_before
-- Islands of one interface and family that begin at or before an address, nearest first.
SELECT first, last FROM island
WHERE interface = ? AND version = ? AND first <= ? ORDER BY first DESC LIMIT ?;

-- name: island_after
-- Islands that begin after an address, nearest first.
SELECT first, last FROM island
WHERE interface = ? AND version = ? AND first > ? ORDER BY first LIMIT ?;

-- name: island_put
-- An island; it replaces the one with the same first address.
INSERT OR REPLACE INTO island (interface, version, first, last) VALUES (?, ?, ?, ?);

-- name: island_drop
-- An island that is no more.
DELETE FROM island WHERE interface = ? AND version = ? AND first = ?;

-- name: island_list
-- All islands of one interface and family, in order.
SELECT first, last FROM island WHERE interface = ? AND version = ? ORDER BY first;

-- name: island_of_interface_clear
-- The islands of an interface that goes.
DELETE FROM island WHERE interface = ?;

-- name: island_clear
-- Before a snapshot is loaded.
DELETE FROM island;

-- name: counts
-- How many objects of each kind there are.
SELECT (SELECT count(*) FROM interface), (SELECT coalesce(sum(peers), 0) FROM interface),
       (SELECT count(*) FROM token);
