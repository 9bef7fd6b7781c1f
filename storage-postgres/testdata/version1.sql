-- pg_dump of a store of schema version 1, shortened. It is never changed.
CREATE SCHEMA fixture_v1;
CREATE FUNCTION fixture_v1.signals_deleted() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'fixture_v1'
    AS $$
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
CREATE TABLE fixture_v1.blob_chunks (
    blob bigint NOT NULL,
    part bigint NOT NULL,
    data bytea NOT NULL,
    checksum bigint NOT NULL
);
ALTER TABLE ONLY fixture_v1.blob_chunks ALTER COLUMN data SET STORAGE EXTERNAL;
CREATE TABLE fixture_v1.blobs (
    id bigint NOT NULL,
    name text COLLATE pg_catalog."C",
    size bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    host text,
    process text,
    touched timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE fixture_v1.leases (
    destination text NOT NULL,
    generation bigint NOT NULL,
    held boolean NOT NULL,
    owner text NOT NULL,
    handle bigint NOT NULL,
    host text NOT NULL,
    process text NOT NULL,
    expires timestamp with time zone NOT NULL
);
CREATE TABLE fixture_v1.schema_versions (
    version integer NOT NULL,
    description text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE fixture_v1.signal_log (
    singleton boolean DEFAULT true NOT NULL,
    last bigint NOT NULL,
    trimmed bigint NOT NULL,
    count bigint NOT NULL,
    bytes bigint NOT NULL,
    CONSTRAINT signal_log_singleton_check CHECK (singleton)
);
CREATE TABLE fixture_v1.signals (
    sequence bigint NOT NULL,
    "time" timestamp with time zone NOT NULL,
    nanos smallint NOT NULL,
    name text NOT NULL,
    key text,
    operation bigint NOT NULL,
    path text[],
    data bytea,
    checksum bigint NOT NULL
);
INSERT INTO fixture_v1.blob_chunks VALUES (7903879758864241473, 0, '\x68656c6c6f', 2591144780);
INSERT INTO fixture_v1.blobs VALUES (6797733262710456107, 'empty', 0, '2026-11-29 09:16:00.60041+00', NULL, NULL, '2026-11-29 09:16:00.60041+00');
INSERT INTO fixture_v1.blobs VALUES (7903879758864241473, 'a/b', 5, '2026-11-29 09:16:00.605096+00', NULL, NULL, '2026-11-29 09:16:00.605096+00');
INSERT INTO fixture_v1.leases VALUES ('blobs', 0, false, '', 0, '', '', '2026-11-29 09:16:00.515604+00');
INSERT INTO fixture_v1.leases VALUES ('signals', 1, false, 'v1', 7201183674370315893, '00000000-0000-0000-0000-000000000000/pid:[1]', '11345@329106', '2026-11-29 10:16:00.608193+00');
INSERT INTO fixture_v1.schema_versions VALUES (1, 'signals, blobs, leases', '2026-11-29 09:16:00.515604+00');
INSERT INTO fixture_v1.signal_log VALUES (true, 7, 1, 2, 190);
INSERT INTO fixture_v1.signals VALUES (2, '0001-01-01 00:00:00+00', 1, 'first', 'k', -1, NULL, NULL, 3016445501);
INSERT INTO fixture_v1.signals VALUES (7, '9999-12-31 23:59:59.999999+00', 999, 'l''ast \ "é"', NULL, 0, '{"a,b","{\"","NULL"}', '\x00ff5c', 502029900);
ALTER TABLE ONLY fixture_v1.blob_chunks
    ADD CONSTRAINT blob_chunks_pkey PRIMARY KEY (blob, part);
ALTER TABLE ONLY fixture_v1.blobs
    ADD CONSTRAINT blobs_name_key UNIQUE (name);
ALTER TABLE ONLY fixture_v1.blobs
    ADD CONSTRAINT blobs_pkey PRIMARY KEY (id);
ALTER TABLE ONLY fixture_v1.leases
    ADD CONSTRAINT leases_pkey PRIMARY KEY (destination);
ALTER TABLE ONLY fixture_v1.schema_versions
    ADD CONSTRAINT schema_versions_pkey PRIMARY KEY (version);
ALTER TABLE ONLY fixture_v1.signal_log
    ADD CONSTRAINT signal_log_pkey PRIMARY KEY (singleton);
ALTER TABLE ONLY fixture_v1.signals
    ADD CONSTRAINT signals_pkey PRIMARY KEY (sequence);
CREATE TRIGGER signals_deleted AFTER DELETE ON fixture_v1.signals REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION fixture_v1.signals_deleted();
CREATE TRIGGER signals_truncated AFTER TRUNCATE ON fixture_v1.signals FOR EACH STATEMENT EXECUTE FUNCTION fixture_v1.signals_deleted();
ALTER TABLE ONLY fixture_v1.blob_chunks
    ADD CONSTRAINT blob_chunks_blob_fkey FOREIGN KEY (blob) REFERENCES fixture_v1.blobs(id);
