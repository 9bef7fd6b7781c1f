package sqlitestore

import (
	"context"
	"database/sql"
	"fmt"
	"hash/crc32"

	"github.com/ephemera-go/ephemera/sinks"
)

// Verify implements sinks.Verifier: the structure of the whole file, then every signal and the account of them.
func (s *signalStore) Verify(ctx context.Context) error {
	return s.db.snapshot(ctx, func(tx *sql.Tx) error {
		if err := integrity(ctx, tx); err != nil {
			return err
		}
		return verifySignals(ctx, tx)
	})
}

// Verify implements sinks.Verifier: the structure of the whole file, then every part of every blob.
func (s *blobStore) Verify(ctx context.Context) error {
	return s.db.snapshot(ctx, func(tx *sql.Tx) error {
		if err := integrity(ctx, tx); err != nil {
			return err
		}
		return verifyBlobs(ctx, tx)
	})
}

// snapshot runs f on one state of the database.
func (db *database) snapshot(ctx context.Context, f func(tx *sql.Tx) error) error {
	if err := db.look(); err != nil {
		return err
	}
	tx, err := db.readers.BeginTx(ctx, nil)
	if err != nil {
		return readError(ctx, err)
	}
	err = f(tx)
	_ = tx.Rollback() // nothing was written
	return readError(ctx, err)
}

func integrity(ctx context.Context, tx *sql.Tx) error {
	var first string
	if err := tx.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&first); err != nil {
		return err
	}
	if first != "ok" {
		return fmt.Errorf("%w: SQLite's integrity check failed", sinks.ErrCorrupt)
	}
	rows, err := tx.QueryContext(ctx, "PRAGMA foreign_key_check")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	if rows.Next() {
		return fmt.Errorf("%w: parts of a blob that does not exist", sinks.ErrCorrupt)
	}
	return rows.Err()
}

func verifySignals(ctx context.Context, tx *sql.Tx) error {
	var account sinks.SignalStat
	var trimmed uint64
	err := tx.QueryRowContext(ctx, "SELECT last, count, bytes, trimmed FROM signal_log").
		Scan(&account.Last, &account.Count, &account.Bytes, &trimmed)
	if err != nil {
		return damaged(err)
	}
	rows, err := tx.QueryContext(ctx, selectRows+" ORDER BY id")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	var found sinks.SignalStat
	var r row
	var times timeText
	for rows.Next() {
		signal, err := scanRow(rows)
		if err != nil {
			return err
		}
		if err := newRow(&signal, &r, &times); err != nil {
			return err
		}
		found.Last = signal.Sequence
		found.Count++
		found.Bytes += r.bytes()
	}
	if err := rows.Err(); err != nil {
		return err
	}
	// The last one is there, or was trimmed.
	if found.Last != account.Last && (found.Last > account.Last || trimmed != account.Last) {
		return fmt.Errorf("%w: the last signal is %d, and %d by the account", sinks.ErrCorrupt, found.Last, account.Last)
	}
	if found.Count != account.Count || found.Bytes != account.Bytes {
		return fmt.Errorf("%w: %d signals of %d bytes are stored, %d of %d are accounted for",
			sinks.ErrCorrupt, found.Count, found.Bytes, account.Count, account.Bytes)
	}
	return nil
}

func verifyBlobs(ctx context.Context, tx *sql.Tx) error {
	rows, err := tx.QueryContext(ctx, "SELECT id, name, size FROM blobs WHERE name IS NOT NULL ORDER BY id")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	type blob struct {
		id, size int64
		name     string
	}
	var blobs []blob
	for rows.Next() {
		var b blob
		if err := rows.Scan(&b.id, &b.name, &b.size); err != nil {
			return err
		}
		blobs = append(blobs, b)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, b := range blobs {
		if err := verifyBlob(ctx, tx, b.id, b.size); err != nil {
			return fmt.Errorf("blob %s: %w", b.name, err)
		}
	}
	return nil
}

func verifyBlob(ctx context.Context, tx *sql.Tx, id, size int64) error {
	rows, err := tx.QueryContext(ctx, "SELECT part, data, checksum FROM blob_chunks WHERE blob = ? ORDER BY part", id)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	var next, bytes int64
	for rows.Next() {
		var part, checksum int64
		var data sql.RawBytes
		if err := rows.Scan(&part, &data, &checksum); err != nil {
			return err
		}
		if part != next || int64(crc32.Checksum(data, castagnoli)) != checksum {
			return fmt.Errorf("%w: part %d", sinks.ErrCorrupt, next)
		}
		next++
		bytes += int64(len(data))
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if bytes != size {
		return fmt.Errorf("%w: %d bytes of %d", sinks.ErrCorrupt, bytes, size)
	}
	return nil
}
