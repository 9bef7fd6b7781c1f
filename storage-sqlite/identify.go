package sqlitestore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/ephemera-go/ephemera/sinks"
)

// applicationID marks our files in their header: "ephe".
const applicationID = 0x65706865

type kind int

const (
	empty       kind = iota // no table at all
	ours                    // made by this package
	predecessor             // made by the system that this one succeeds
)

type identity struct {
	kind    kind
	version int // of the schema; ours only
}

// What the predecessor made, in this order.
const predecessorColumns = "id,operation_id,signal,key,timestamp,created_at"

// identify says what a database is. What is not for us is an error.
func identify(ctx context.Context, conn *sql.Conn) (identity, error) {
	var application, tables, signals, versions int
	var encoding string
	var columns sql.NullString
	err := conn.QueryRowContext(ctx, `
		SELECT (SELECT application_id FROM pragma_application_id), (SELECT encoding FROM pragma_encoding),
			count(*), coalesce(sum(name = 'signals'), 0), coalesce(sum(name = 'schema_versions'), 0),
			(SELECT group_concat(name) FROM (SELECT name FROM pragma_table_info('signals') ORDER BY cid))
		FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT GLOB 'sqlite_*'`).
		Scan(&application, &encoding, &tables, &signals, &versions, &columns)
	if err != nil {
		return identity{}, ofOurSchema(err)
	}
	switch {
	case encoding != "UTF-8": // the account of signals counts bytes of UTF-8
		return identity{}, fmt.Errorf("%w: its texts are encoded in %s", sinks.ErrForeign, encoding)
	case application == applicationID && versions == 0:
		return identity{}, fmt.Errorf("%w: the table of schema versions is missing", sinks.ErrCorrupt)
	case application == applicationID:
		return version(ctx, conn)
	case application == 0 && tables == 0:
		return identity{kind: empty}, nil
	case application == 0 && tables == 1 && signals == 1 && columns.String == predecessorColumns:
		return identity{kind: predecessor}, nil
	}
	return identity{}, fmt.Errorf("%w: %d tables, application id %d", sinks.ErrForeign, tables, application)
}

func version(ctx context.Context, conn *sql.Conn) (identity, error) {
	id := identity{kind: ours}
	err := conn.QueryRowContext(ctx, "SELECT coalesce(max(version), 0) FROM schema_versions").Scan(&id.version)
	switch {
	case err != nil:
		return identity{}, err
	case id.version < 1:
		return identity{}, fmt.Errorf("%w: no schema version", sinks.ErrCorrupt)
	case id.version > migrations.last():
		return identity{}, fmt.Errorf("%w: schema version %d; this one knows up to %d", sinks.ErrTooNew, id.version, migrations.last())
	}
	return id, nil
}
