-- Run with the store's schema alone in search_path.

-- Which migrations were applied, and when.
CREATE TABLE schema_versions (
	version     integer PRIMARY KEY,
	description text NOT NULL,
	applied_at  timestamptz NOT NULL DEFAULT now()
);

-- One row per signal, for people to read.
CREATE TABLE signals (
	sequence  bigint PRIMARY KEY,
	time      timestamptz NOT NULL, -- whole microseconds
	nanos     smallint NOT NULL,    -- 0 to 999, to be added to time
	name      text NOT NULL,
	key       text,                 -- NULL: none
	operation bigint NOT NULL,      -- from 2^63 on it is shown negative
	path      text[],               -- NULL: none
	data      bytea,                -- NULL: none
	checksum  bigint NOT NULL       -- CRC32C, see docs/formats/postgres.md
);

-- What is known of the whole log: the newest sequence ever, up to which one it was trimmed, and what it holds. Whoever
-- writes the log locks this row first.
CREATE TABLE signal_log (
	singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
	last      bigint NOT NULL,
	trimmed   bigint NOT NULL,
	count     bigint NOT NULL,
	bytes     bigint NOT NULL
);
INSERT INTO signal_log (last, trimmed, count, bytes) VALUES (0, 0, 0, 0);

-- Deleting by hand is allowed: it is trimming.
CREATE FUNCTION signals_deleted() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
	IF TG_OP = 'TRUNCATE' THEN
		UPDATE signal_log SET trimmed = last, count = 0, bytes = 0;
	ELSE
		UPDATE signal_log SET
			trimmed = greatest(trimmed, gone.newest),
			count = signal_log.count - gone.count,
			bytes = signal_log.bytes - gone.bytes
		FROM (
			SELECT max(sequence) AS newest, count(*) AS count, sum(80 + octet_length(name) + coalesce(octet_length(key), 0)
				+ coalesce(octet_length(array_to_string(path, '')), 0) + coalesce(octet_length(data), 0)) AS bytes
			FROM deleted
		) AS gone
		WHERE gone.count > 0;
	END IF;
	RETURN NULL;
END
$$;
CREATE TRIGGER signals_deleted AFTER DELETE ON signals
	REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION signals_deleted();
CREATE TRIGGER signals_truncated AFTER TRUNCATE ON signals
	FOR EACH STATEMENT EXECUTE FUNCTION signals_deleted();

-- A blob without a name is on its way in or out.
CREATE TABLE blobs (
	id         bigint PRIMARY KEY, -- at random, so that a repeated attempt is recognized
	name       text COLLATE "C" UNIQUE,
	size       bigint NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	host       text, -- who brings it; NULL when it is complete or may be removed
	process    text,
	touched    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE blob_chunks (
	blob     bigint NOT NULL REFERENCES blobs (id),
	part     bigint NOT NULL, -- from 0
	data     bytea NOT NULL,
	checksum bigint NOT NULL, -- CRC32C of data
	PRIMARY KEY (blob, part)
);
-- What snapshots hold is compressed already.
ALTER TABLE blob_chunks ALTER COLUMN data SET STORAGE EXTERNAL;

-- One row per destination; generations only grow.
CREATE TABLE leases (
	destination text PRIMARY KEY,
	generation  bigint NOT NULL,
	held        boolean NOT NULL,
	owner       text NOT NULL,
	handle      bigint NOT NULL, -- which one acquired it, at random
	host        text NOT NULL,
	process     text NOT NULL,
	expires     timestamptz NOT NULL -- by the server's clock
);
INSERT INTO leases (destination, generation, held, owner, handle, host, process, expires) VALUES
	('signals', 0, false, '', 0, '', '', now()),
	('blobs', 0, false, '', 0, '', '', now());
