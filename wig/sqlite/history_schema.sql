-- The sessions' own tables at the current version (`history.py`).
--
-- No column can hold an address: every text is a key, a name, or hexadecimal, and the only free
-- one (an organisation) refuses what looks like an address. A test tries each column.
--
-- Times are seconds since 1970, UTC. Numbers are given by the program (`wig/session_table.py`).

CREATE TABLE meta (
    id            INTEGER PRIMARY KEY CHECK (id = 1),
    generation    TEXT    NOT NULL DEFAULT ''   -- of the edges; '' before any was published
                  CHECK (length(generation) <= 24 AND generation NOT GLOB '*[^0-9a-f]*'),
    published     INTEGER NOT NULL DEFAULT 0,   -- the stream has all edges up to this one
    last_peer     INTEGER NOT NULL DEFAULT 0,
    last_session  INTEGER NOT NULL DEFAULT 0,
    last_edge     INTEGER NOT NULL DEFAULT 0,
    -- Every report that the stream took from then on has been read; 0: there was none.
    recorded_since  INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE gateway (
    number      INTEGER PRIMARY KEY,
    name        TEXT    NOT NULL UNIQUE
                CHECK (length(name) BETWEEN 1 AND 32 AND name NOT GLOB '*[^A-Za-z0-9_-]*'),
    heard       INTEGER NOT NULL,               -- see wig/sightings.py
    until       INTEGER NOT NULL,
    arrived     INTEGER NOT NULL,
    interval_s  INTEGER NOT NULL,
    boot        TEXT    NOT NULL CHECK (length(boot) = 16 AND boot NOT GLOB '*[^0-9a-f]*')
) STRICT;

-- The last report of each start of a gateway: those before are repeated ones.
CREATE TABLE boot (
    gateway  INTEGER NOT NULL REFERENCES gateway (number) ON DELETE CASCADE,
    boot     TEXT    NOT NULL CHECK (length(boot) = 16 AND boot NOT GLOB '*[^0-9a-f]*'),
    n        INTEGER NOT NULL,
    arrived  INTEGER NOT NULL,
    PRIMARY KEY (gateway, boot)
) STRICT, WITHOUT ROWID;

CREATE TABLE interface (
    number  INTEGER PRIMARY KEY,
    name    TEXT    NOT NULL UNIQUE
            CHECK (length(name) BETWEEN 1 AND 15 AND name NOT GLOB '*[^A-Za-z0-9_-]*')
) STRICT;

CREATE TABLE organisation (
    number  INTEGER PRIMARY KEY,
    asn     INTEGER NOT NULL CHECK (asn BETWEEN 1 AND 4294967295),
    name    TEXT    NOT NULL
            CHECK (length(name) <= 64
                   AND name NOT GLOB '*[0-9].[0-9]*.[0-9]*.[0-9]*'
                   AND name NOT GLOB '*:*:*'),
    UNIQUE (asn, name)
) STRICT;

-- Who ever gave a sign of life. While a session is open, `link.seen` is newer.
CREATE TABLE peer (
    number     INTEGER PRIMARY KEY,
    key        TEXT    NOT NULL UNIQUE
               CHECK (length(key) = 44 AND key NOT GLOB '*[^A-Za-z0-9+/=]*'),
    interface  INTEGER NOT NULL REFERENCES interface (number),
    seen       INTEGER NOT NULL
) STRICT;

-- What a gateway said last of a peer; the bases are those of its open session. No reference to
-- the gateway: one that is forgotten may still be in the memory of a running program.
CREATE TABLE link (
    peer           INTEGER NOT NULL REFERENCES peer (number) ON DELETE CASCADE,
    gateway        INTEGER NOT NULL,
    handshake      INTEGER NOT NULL,
    received       INTEGER NOT NULL,
    sent           INTEGER NOT NULL,
    received_base  INTEGER NOT NULL CHECK (received_base <= received),
    sent_base      INTEGER NOT NULL CHECK (sent_base <= sent),
    visited        INTEGER NOT NULL,
    seen           INTEGER NOT NULL,
    PRIMARY KEY (peer, gateway)
) STRICT, WITHOUT ROWID;

-- The peer by its key: sessions stay when their peer is deleted.
CREATE TABLE session (
    number        INTEGER PRIMARY KEY,
    id            TEXT    NOT NULL CHECK (length(id) = 24 AND id NOT GLOB '*[^0-9a-f]*'),
    peer          TEXT    NOT NULL
                  CHECK (length(peer) = 44 AND peer NOT GLOB '*[^A-Za-z0-9+/=]*'),
    interface     INTEGER NOT NULL REFERENCES interface (number),
    "begin"       INTEGER NOT NULL,
    "end"         INTEGER CHECK ("end" >= "begin"),
    reason        INTEGER CHECK ((reason IS NULL) = ("end" IS NULL)),
    gateways      TEXT    NOT NULL CHECK (gateways NOT GLOB '*[^A-Za-z0-9_,-]*'),
    received      INTEGER NOT NULL DEFAULT 0 CHECK (received >= 0),
    sent          INTEGER NOT NULL DEFAULT 0 CHECK (sent >= 0),
    country       TEXT    CHECK (country = '' OR country GLOB '[A-Z][A-Z]'),  -- NULL: not looked up
    organisation  INTEGER REFERENCES organisation (number)
) STRICT;

CREATE INDEX session_by_begin ON session ("begin");
CREATE INDEX session_by_peer ON session (peer);
CREATE INDEX session_by_country ON session (country, "begin") WHERE country <> '';
CREATE UNIQUE INDEX session_open ON session (peer) WHERE "end" IS NULL;  -- never two for one peer
CREATE INDEX session_by_end ON session ("end") WHERE "end" IS NOT NULL;

-- Begins (0) and ends (1) to be published; the last ones are kept, should the stream lose its end.
CREATE TABLE edge (
    number   INTEGER PRIMARY KEY,
    session  INTEGER NOT NULL REFERENCES session (number),
    kind     INTEGER NOT NULL CHECK (kind IN (0, 1))
) STRICT;

CREATE INDEX edge_by_session ON edge (session);  -- so that a session can be deleted
