package pgstore

import (
	"context"
	_ "embed"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/ephemera-go/ephemera/sinks"
)

//go:embed migrations/0001_signals_blobs_leases.sql
var firstSchema string

// A migration leads the schema from the version before to its own. Once released it is never changed.
type migration struct {
	version     int
	description string
	sql         string
}

type migrationList []migration

// migrations are applied in this order.
var migrations = migrationList{
	{1, "signals, blobs, leases", firstSchema},
}

func (m migrationList) last() int { return m[len(m)-1].version }

// An identity says what a schema is. What is not for us is an error instead.
type identity struct {
	exists  bool
	version int // 0: nothing of ours is there
}

// prepare makes the schema what this version needs, or says why it cannot.
func (db *database) prepare(ctx context.Context) error {
	var id identity
	err := db.read(ctx, func(conn *pgx.Conn) (err error) {
		if err = checkEncoding(ctx, conn); err == nil {
			id, err = db.identify(ctx, conn)
		}
		return err
	})
	switch {
	case err != nil || id.version == migrations.last():
		return err
	case db.options.ReadOnly && id.version == 0:
		return fmt.Errorf("%w: schema %s", sinks.ErrNotFound, db.options.Schema)
	case db.options.ReadOnly:
		return fmt.Errorf("%w: schema %s must be migrated first; open it for writing once", sinks.ErrReadOnly, db.options.Schema)
	}
	if err := db.write(ctx, nil, db.migrate); err != nil {
		return err
	}
	db.options.Logger.InfoContext(ctx, "postgres: schema migrated", "schema", db.options.Schema, "from", id.version, "to", migrations.last())
	return nil
}

// checkEncoding wants every text to have a place in the database.
func checkEncoding(ctx context.Context, conn *pgx.Conn) error {
	var encoding string
	err := conn.QueryRow(ctx, "SELECT current_setting('server_encoding')").Scan(&encoding)
	if err == nil && encoding != "UTF8" {
		err = fmt.Errorf("%w: the encoding of the database is %s; UTF8 is needed", errors.ErrUnsupported, encoding)
	}
	return err
}

const versionColumns = "version,description,applied_at"

func (db *database) identify(ctx context.Context, conn *pgx.Conn) (id identity, err error) {
	var relations int
	var columns string
	err = conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1),
		(SELECT count(*) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = $1),
		coalesce((SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute
			JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace
			WHERE nspname = $1 AND relname = 'schema_versions' AND attnum > 0 AND NOT attisdropped), '')`, db.options.Schema).
		Scan(&id.exists, &relations, &columns)
	switch {
	case err != nil || relations == 0:
		return id, err
	case columns != versionColumns:
		return id, fmt.Errorf("%w: schema %s holds %d tables or other objects", sinks.ErrForeign, db.options.Schema, relations)
	}
	err = conn.QueryRow(ctx, db.sql("SELECT coalesce(max(version), 0) FROM @schema_versions")).Scan(&id.version)
	switch {
	case err != nil:
		return id, err
	case id.version < 1:
		return id, fmt.Errorf("%w: schema %s says no version", sinks.ErrCorrupt, db.options.Schema)
	case id.version > migrations.last():
		return id, fmt.Errorf("%w: schema %s has version %d; this one knows up to %d",
			sinks.ErrTooNew, db.options.Schema, id.version, migrations.last())
	}
	return id, nil
}

// migrate brings the schema to the newest version. Whether that is needed is decided under the lock, because another
// process may be doing the same.
func (db *database) migrate(t *tx) error {
	if _, err := t.conn.Exec(t.ctx, "SELECT pg_advisory_xact_lock($1::int, $2::int)", db.locks, lockMigration); err != nil {
		return err
	}
	id, err := db.identify(t.ctx, t.conn)
	if err != nil {
		return err
	}
	schema := pgx.Identifier{db.options.Schema}.Sanitize()
	if !id.exists {
		if err := t.script("CREATE SCHEMA " + schema); err != nil {
			return err
		}
	}
	if err := t.script("SET LOCAL search_path TO " + schema); err != nil {
		return err
	}
	for _, m := range migrations {
		if m.version <= id.version {
			continue
		}
		if err := m.apply(t); err != nil {
			return fmt.Errorf("migration %d: %w", m.version, translate(t.ctx, err))
		}
	}
	return nil
}

func (m migration) apply(t *tx) error {
	if err := t.script(m.sql); err != nil {
		return err
	}
	_, err := t.change("INSERT INTO @schema_versions (version, description) VALUES ($1, $2)", int64(m.version), m.description)
	return err
}

// script runs any number of statements.
func (t *tx) script(text string) error {
	_, err := t.conn.PgConn().Exec(t.ctx, text).ReadAll()
	return err
}
