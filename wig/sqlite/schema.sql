-- The datastore's tables at the current version. `migrations.py` brings older files here.
--
-- An object is stored as `body`: its canonical JSON, the very bytes that the state digest sums, so
-- that no column can be forgotten and a new field of the model needs no migration. Beside the body
-- stand only the columns that SQL searches by or constrains; `wig verify` compares the two.
--
-- Times are microseconds since 1970, UTC. Addresses are 4 or 16 bytes, big endian, so that they
-- sort as numbers. Digests are 32 bytes.

CREATE TABLE meta (
    id            INTEGER PRIMARY KEY CHECK (id = 1),
    database      TEXT    NOT NULL,              -- '' until a follower has loaded a snapshot
    role          TEXT    NOT NULL CHECK (role IN ('primary', 'follower')),
    fenced        TEXT    NOT NULL DEFAULT '',   -- why this primary must not write any more
    generation    TEXT    NOT NULL DEFAULT '',   -- of the stream; '' before there is one
    epoch         TEXT    NOT NULL,
    seq           INTEGER NOT NULL CHECK (seq >= base_seq),
    digest        BLOB    NOT NULL CHECK (length(digest) = 32),
    state_digest  BLOB    NOT NULL CHECK (length(state_digest) = 32),
    base_seq      INTEGER NOT NULL CHECK (base_seq >= 0),
    base_digest   BLOB    NOT NULL CHECK (length(base_digest) = 32)
) STRICT;

CREATE TABLE lineage (
    number  INTEGER PRIMARY KEY,
    epoch   TEXT    NOT NULL UNIQUE CHECK (epoch <> ''),
    parent  TEXT    NOT NULL,
    seq     INTEGER NOT NULL CHECK (seq >= 0),
    digest  BLOB    NOT NULL CHECK (length(digest) = 32)
) STRICT;

CREATE TABLE entry (
    seq      INTEGER PRIMARY KEY CHECK (seq > 0),
    time     INTEGER NOT NULL,
    payload  BLOB    NOT NULL,                   -- exactly the bytes that are published
    digest   BLOB    NOT NULL CHECK (length(digest) = 32)
) STRICT;

CREATE TABLE request (
    number  INTEGER PRIMARY KEY,                 -- grows with time: what `prune` walks along
    actor   TEXT    NOT NULL,
    id      TEXT    NOT NULL CHECK (id <> ''),
    time    INTEGER NOT NULL,
    head    INTEGER NOT NULL,                    -- of the log, after the request was decided
    reply   BLOB    NOT NULL,
    UNIQUE (actor, id)
) STRICT;

CREATE TABLE interface (
    name   TEXT    PRIMARY KEY CHECK (length(CAST(name AS BLOB)) BETWEEN 1 AND 15),
    port   INTEGER NOT NULL UNIQUE CHECK (port BETWEEN 1 AND 65535),
    peers  INTEGER NOT NULL DEFAULT 0 CHECK (peers >= 0),  -- kept, since counting a million is slow
    body   TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- With a rowid: rows are appended, and only the narrow index on the key is written at random
-- places. Measured at 200,000 peers, a group of 100 costs 21 µs a peer, 45 µs without rowid.
CREATE TABLE peer (
    number      INTEGER PRIMARY KEY,
    public_key  TEXT    NOT NULL UNIQUE CHECK (length(public_key) = 44),
    interface   TEXT    NOT NULL REFERENCES interface (name),
    ip_first    BLOB    CHECK (length(ip_first) = 4),
    ip_last     BLOB    CHECK (length(ip_last) = 4),
    ip6_first   BLOB    CHECK (length(ip6_first) = 16),
    ip6_last    BLOB    CHECK (length(ip6_last) = 16),
    expire      INTEGER,
    body        TEXT    NOT NULL,
    CHECK ((ip_first IS NULL) = (ip_last IS NULL) AND ip_first <= ip_last),
    CHECK ((ip6_first IS NULL) = (ip6_last IS NULL) AND ip6_first <= ip6_last)
) STRICT;

-- Not (interface, public_key), which would be a second index written at random places: see
-- `reader.py` for how the peers of one interface are listed in order of their keys.
CREATE INDEX peer_by_interface ON peer (interface);
CREATE INDEX peer_by_ip ON peer (interface, ip_first, ip_last) WHERE ip_first IS NOT NULL;
CREATE INDEX peer_by_ip6 ON peer (interface, ip6_first, ip6_last) WHERE ip6_first IS NOT NULL;
CREATE INDEX peer_by_expire ON peer (expire) WHERE expire IS NOT NULL;

CREATE TABLE token (
    id    TEXT PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 32),
    body  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The used addresses as maximal runs that never touch (wig/allocation.py).
CREATE TABLE island (
    interface  TEXT    NOT NULL REFERENCES interface (name),
    version    INTEGER NOT NULL CHECK (version IN (4, 6)),
    first      BLOB    NOT NULL CHECK (length(first) = iif(version = 4, 4, 16)),
    last       BLOB    NOT NULL CHECK (length(last) = length(first) AND last >= first),
    PRIMARY KEY (interface, version, first)
) STRICT, WITHOUT ROWID;
