-- Which migrations were applied, and when.
CREATE TABLE schema_versions (
	version     INTEGER PRIMARY KEY,
	description TEXT NOT NULL,
	applied_at  TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
) STRICT;

-- One row per signal, for people to read. id is the sequence.
CREATE TABLE signals (
	id           INTEGER PRIMARY KEY,
	operation_id INTEGER NOT NULL, -- from 2^63 on it is shown negative
	signal       TEXT NOT NULL,
	key          TEXT,             -- NULL: none
	timestamp    TEXT NOT NULL,    -- 2006-01-02T15:04:05.000000000Z
	created_at   TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
	path         TEXT,             -- JSON array of names; NULL: none
	data         BLOB,             -- NULL: none
	checksum     INTEGER NOT NULL  -- CRC32C, see docs/formats/sqlite.md
) STRICT;

-- What is known of the whole log: the newest sequence ever, up to which one it was trimmed, and what it holds.
CREATE TABLE signal_log (
	only    INTEGER PRIMARY KEY CHECK (only = 1),
	last    INTEGER NOT NULL,
	trimmed INTEGER NOT NULL,
	count   INTEGER NOT NULL,
	bytes   INTEGER NOT NULL
) STRICT;
INSERT INTO signal_log VALUES (1, 0, 0, 0, 0);

-- Deleting by hand is allowed: it is trimming.
CREATE TRIGGER signals_deleted AFTER DELETE ON signals BEGIN
	UPDATE signal_log SET
		trimmed = max(trimmed, old.id),
		count = count - 1,
		bytes = bytes - 96 - length(CAST(old.signal AS BLOB)) - coalesce(length(CAST(old.key AS BLOB)), 0)
			- coalesce(length(CAST(old.path AS BLOB)), 0) - coalesce(length(old.data), 0);
END;

-- A blob without a name is on its way in or out.
CREATE TABLE blobs (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	name       TEXT UNIQUE,
	size       INTEGER NOT NULL,
	created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
	host       TEXT, -- who brings it; NULL when it is complete or may be removed
	process    TEXT,
	touched    INTEGER NOT NULL -- Unix milliseconds
) STRICT;

CREATE TABLE blob_chunks (
	id       INTEGER PRIMARY KEY,
	blob     INTEGER NOT NULL REFERENCES blobs (id),
	part     INTEGER NOT NULL, -- from 0
	data     BLOB NOT NULL,
	checksum INTEGER NOT NULL, -- CRC32C of data
	UNIQUE (blob, part)
) STRICT;

-- One row per destination; generations only grow.
CREATE TABLE leases (
	destination TEXT PRIMARY KEY,
	generation  INTEGER NOT NULL,
	held        INTEGER NOT NULL,
	owner       TEXT NOT NULL,
	host        TEXT NOT NULL,
	process     TEXT NOT NULL,
	expires     INTEGER NOT NULL -- Unix milliseconds
) STRICT;
INSERT INTO leases VALUES ('signals', 0, 0, '', '', '', 0), ('blobs', 0, 0, '', '', '', 0);
