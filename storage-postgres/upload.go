package pgstore

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/process"
)

// An upload is a blob of several parts on its way in.
type upload struct {
	store *blobStore
	id    int64
	size  int64
}

func (u *upload) write(ctx context.Context, f func(t *tx) error) error {
	return u.store.db.write(ctx, u.store.lease, f)
}

func (u *upload) begin(ctx context.Context) error {
	me := process.This()
	return u.write(ctx, func(t *tx) error {
		_, err := t.change("INSERT INTO @blobs (id, size, host, process) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING",
			u.id, u.size, me.Host, me.ID)
		return err
	})
}

func (u *upload) copy(ctx context.Context, r io.Reader) error {
	buffer := make([]byte, chunkBytes)
	left := u.size
	for part := int64(0); left > 0; part++ {
		data := buffer[:min(left, chunkBytes)]
		if _, err := io.ReadFull(r, data); err != nil {
			return err
		}
		left -= int64(len(data))
		err := u.write(ctx, func(t *tx) error {
			// It also tells others that the upload lives.
			n, err := t.change("UPDATE @blobs SET touched = now() WHERE id = $1 AND name IS NULL AND host IS NOT NULL", u.id)
			switch {
			case err != nil:
				return err
			case n == 0:
				return errAbandoned
			}
			return t.insertChunk(u.id, part, data)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// An upload that others have given up cannot go on.
var errAbandoned = fmt.Errorf("%w: the parts were removed as abandoned", sinks.ErrFenced)

func (u *upload) publish(ctx context.Context, name string) error {
	return u.write(ctx, func(t *tx) error {
		var has *string
		err := t.get([]any{&has}, "SELECT name FROM @blobs WHERE id = $1 FOR UPDATE", u.id)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return errAbandoned
		case err != nil || has != nil: // an earlier attempt has done it
			return err
		}
		n, err := t.change("UPDATE @blobs SET name = $1, host = NULL, process = NULL WHERE id = $2 AND host IS NOT NULL", name, u.id)
		var server *pgconn.PgError
		switch {
		case errors.As(err, &server) && server.Code == uniqueViolation:
			return fmt.Errorf("%w: another Put was faster", sinks.ErrExists)
		case err == nil && n == 0:
			return errAbandoned
		}
		return err
	})
}

const uniqueViolation = "23505"

// sweep removes what uploads and deletions of processes that ended have left.
func (s *blobStore) sweep(ctx context.Context) error {
	if s.db.options.ReadOnly {
		return nil
	}
	left, err := s.leftovers(ctx)
	for _, id := range left {
		if err == nil {
			err = s.remove(ctx, id)
		}
	}
	return err
}

// leftovers are given up after a day where the process cannot be asked about.
func (s *blobStore) leftovers(ctx context.Context) (left []int64, err error) {
	err = s.db.read(ctx, func(conn *pgx.Conn) error {
		left = nil
		return collect(ctx, conn, func(rows pgx.Rows) error {
			var id int64
			var p process.Process
			var abandoned bool
			err := rows.Scan(&id, &p.Host, &p.ID, &abandoned)
			if err == nil && (abandoned || p.Gone()) {
				left = append(left, id)
			}
			return err
		}, s.db.sql(`SELECT id, coalesce(host, ''), coalesce(process, ''), host IS NULL OR touched < now() - interval '24 hours'
			FROM @blobs WHERE name IS NULL`))
	})
	return left, err
}
