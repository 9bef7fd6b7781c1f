package sqlitestore

import (
	"context"
	"io"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/process"
)

func now() int64 { return time.Now().UnixMilli() }

// staleUpload is when a blob without a name is given up whose process cannot be asked about.
const staleUpload = 24 * time.Hour

// An upload is a blob of several parts on its way in.
type upload struct {
	store *blobStore
	id    int64
}

func (s *blobStore) beginUpload(ctx context.Context, size int64) (u *upload, err error) {
	u = &upload{store: s}
	me := process.This()
	err = s.db.write(ctx, s.lease, func(tx *Tx) error {
		return tx.Get([]any{&u.id}, "INSERT INTO blobs (size, host, process, touched) VALUES (?, ?, ?, ?) RETURNING id",
			size, me.Host, me.ID, now())
	})
	if err != nil {
		return nil, err
	}
	return u, nil
}

func (u *upload) copy(ctx context.Context, size int64, r io.Reader) error {
	buffer := make([]byte, chunkBytes)
	for part := int64(0); size > 0; part++ {
		data := buffer[:min(size, chunkBytes)]
		if _, err := io.ReadFull(r, data); err != nil {
			return err
		}
		size -= int64(len(data))
		err := u.store.db.write(ctx, u.store.lease, func(tx *Tx) error {
			if err := u.touch(tx); err != nil {
				return err
			}
			return insertChunk(tx, u.id, part, data)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// touch tells others that the upload lives; one that they have given up cannot go on.
func (u *upload) touch(tx *Tx) error {
	n, err := tx.Exec("UPDATE blobs SET touched = ? WHERE id = ? AND name IS NULL AND host IS NOT NULL", now(), u.id)
	if err == nil && n == 0 {
		err = sinks.ErrFenced
	}
	return err
}

func (u *upload) publish(ctx context.Context, name string) error {
	return u.store.db.write(ctx, u.store.lease, func(tx *Tx) error {
		if err := nameFree(tx, name); err != nil {
			return err
		}
		if err := u.touch(tx); err != nil {
			return err
		}
		_, err := tx.Exec("UPDATE blobs SET name = ?, host = NULL, process = NULL WHERE id = ?", name, u.id)
		return err
	})
}

// sweep removes what uploads and deletions of processes that ended have left.
func (s *blobStore) sweep(ctx context.Context) error {
	if s.db.writer == nil {
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

func (s *blobStore) leftovers(ctx context.Context) (left []int64, err error) {
	err = s.db.writer.run(ctx, func(tx *Tx) error {
		rows, err := tx.Query("SELECT id, coalesce(host, ''), coalesce(process, ''), host IS NULL, touched FROM blobs WHERE name IS NULL")
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var id, touched int64
			var p process.Process
			var abandoned bool
			if err := rows.Scan(&id, &p.Host, &p.ID, &abandoned, &touched); err != nil {
				return err
			}
			if abandoned || p.Gone() || now()-touched > staleUpload.Milliseconds() {
				left = append(left, id)
			}
		}
		return rows.Err()
	})
	return left, err
}
