package sqlitestore

import (
	"context"
	_ "embed"
	"fmt"
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

// migrate brings the database of w to the newest version, in one transaction. Whether that is needed is decided inside of
// it, because another process may be doing the same.
func migrate(ctx context.Context, w *Writer) error {
	return w.run(ctx, func(tx *Tx) error {
		id, err := identify(tx.ctx, w.conn)
		if err != nil {
			return err
		}
		if id.kind == predecessor {
			if err := tx.script("ALTER TABLE signals RENAME TO predecessor_signals"); err != nil {
				return err
			}
		}
		for _, m := range migrations {
			if m.version <= id.version {
				continue
			}
			if err := m.apply(tx); err != nil {
				return fmt.Errorf("migration %d: %w", m.version, err)
			}
		}
		if id.kind == ours {
			return nil
		}
		if id.kind == predecessor {
			if err := importPredecessor(tx, w.options.Logger); err != nil {
				return fmt.Errorf("migration of the predecessor's table: %w", err)
			}
		}
		return tx.script(fmt.Sprintf("PRAGMA application_id=%d", applicationID))
	})
}

func (m migration) apply(tx *Tx) error {
	if err := tx.script(m.sql); err != nil {
		return err
	}
	_, err := tx.Exec("INSERT INTO schema_versions (version, description) VALUES (?, ?)", m.version, m.description)
	return err
}
