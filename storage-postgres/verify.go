package pgstore

import (
	"context"
	"fmt"
	"hash/crc32"

	"github.com/jackc/pgx/v5"

	"github.com/ephemera-go/ephemera/sinks"
)

// Verify implements sinks.Verifier: every signal and the account of them.
func (s *signalStore) Verify(ctx context.Context) error {
	return s.db.snapshot(ctx, func(conn *pgx.Conn) error {
		var account sinks.SignalStat
		var trimmed uint64
		err := conn.QueryRow(ctx, s.db.sql("SELECT last, count, bytes, trimmed FROM @signal_log")).
			Scan(&account.Last, &account.Count, &account.Bytes, &trimmed)
		if err != nil {
			return damaged(err)
		}
		var found sinks.SignalStat
		err = collect(ctx, conn, func(rows pgx.Rows) error {
			var r row
			if err := r.scan(rows); err != nil {
				return err
			}
			signal, err := r.signal()
			found.Last = signal.Sequence
			found.Count++
			found.Bytes += size(&signal)
			return err
		}, s.db.sql(selectRows+" ORDER BY sequence"))
		if err != nil {
			return err
		}
		return compareAccount(found, account, trimmed)
	})
}

func compareAccount(found, account sinks.SignalStat, trimmed uint64) error {
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

// Verify implements sinks.Verifier: every part of every blob.
func (s *blobStore) Verify(ctx context.Context) error {
	return s.db.snapshot(ctx, func(conn *pgx.Conn) error {
		type blob struct {
			id, size int64
			name     string
		}
		var blobs []blob
		err := collect(ctx, conn, func(rows pgx.Rows) error {
			var b blob
			err := rows.Scan(&b.id, &b.name, &b.size)
			blobs = append(blobs, b)
			return err
		}, s.db.sql("SELECT id, name, size FROM @blobs WHERE name IS NOT NULL ORDER BY id"))
		if err != nil {
			return err
		}
		for _, b := range blobs {
			if err := s.verifyBlob(ctx, conn, b.id, b.size); err != nil {
				return fmt.Errorf("blob %s: %w", b.name, err)
			}
		}
		return nil
	})
}

func (s *blobStore) verifyBlob(ctx context.Context, conn *pgx.Conn, id, size int64) error {
	var next, bytes int64
	err := collect(ctx, conn, func(rows pgx.Rows) error {
		var part, checksum int64
		var data []byte
		if err := rows.Scan(&part, &data, &checksum); err != nil {
			return err
		}
		if part != next || int64(crc32.Checksum(data, castagnoli)) != checksum {
			return fmt.Errorf("%w: part %d", sinks.ErrCorrupt, next)
		}
		next++
		bytes += int64(len(data))
		return nil
	}, s.db.sql("SELECT part, data, checksum FROM @blob_chunks WHERE blob = $1 ORDER BY part"), id)
	if err == nil && bytes != size {
		err = fmt.Errorf("%w: %d bytes of %d", sinks.ErrCorrupt, bytes, size)
	}
	return err
}
