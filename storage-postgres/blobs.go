package pgstore

import (
	"context"
	"errors"
	"hash/crc32"
	"io"
	"math"
	"math/rand/v2"

	"github.com/jackc/pgx/v5"

	"github.com/ephemera-go/ephemera/sinks"
)

// chunkBytes is the size of the parts that a blob is kept in. One part is in memory per Put and per open blob.
const chunkBytes = 1 << 20

// blobStore is used through sinks.CheckedBlobs.
type blobStore struct {
	*lease
	db *database
}

func newBlobStore(db *database) *blobStore {
	return &blobStore{lease: newLease(db, "blobs", lockBlobs), db: db}
}

// Put implements sinks.BlobStore. A blob of several parts comes in as many transactions and gets its name in the last
// one, so that nobody waits for a slow reader.
func (s *blobStore) Put(ctx context.Context, name string, size int64, r io.Reader) error {
	if s.db.options.ReadOnly {
		return sinks.ErrReadOnly
	}
	if _, err := s.find(ctx, name); !errors.Is(err, sinks.ErrNotFound) {
		if err == nil {
			err = sinks.ErrExists
		}
		return err
	}
	if size <= chunkBytes {
		return s.putSmall(ctx, name, size, r)
	}
	u := &upload{store: s, id: newBlobID(), size: size}
	err := u.begin(ctx)
	if err == nil {
		err = u.copy(ctx, r)
	}
	if err == nil {
		err = u.publish(ctx, name)
	}
	if err != nil && !errors.Is(err, sinks.ErrUnknownOutcome) {
		cleaning, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.db.options.RetryTimeout)
		defer cancel()
		s.removeParts(cleaning, u.id)
	}
	return err
}

func newBlobID() int64 { return rand.Int64() }

func (s *blobStore) putSmall(ctx context.Context, name string, size int64, r io.Reader) error {
	content := make([]byte, size)
	if _, err := io.ReadFull(r, content); err != nil {
		return err
	}
	id := newBlobID()
	return s.db.write(ctx, s.lease, func(t *tx) error {
		if done, err := t.published(name, id); done || err != nil {
			return err
		}
		inserted, err := t.change("INSERT INTO @blobs (id, name, size) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", id, name, size)
		switch {
		case err != nil:
			return err
		case inserted == 0: // another Put, or an earlier attempt of this one, was faster
			if done, err := t.published(name, id); done || err != nil {
				return err
			}
			return errRaced
		case size == 0:
			return nil
		}
		return t.insertChunk(id, 0, content)
	})
}

// errRaced means that a blob of the same name came and went at the same moment.
var errRaced = &serverError{meaning: meaning{text: "another writer was in the way", again: true}}

// published reports whether the blob with this id is there, or was and is being deleted. If the name belongs to another one,
// that is ErrExists.
func (t *tx) published(name string, id int64) (bool, error) {
	var found int64
	err := t.get([]any{&found}, "SELECT id FROM @blobs WHERE id = $1 OR name = $2 ORDER BY id = $1 DESC LIMIT 1", id, name)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return false, nil
	case err != nil:
		return false, err
	case found != id:
		return false, sinks.ErrExists
	}
	return true, nil
}

func (t *tx) insertChunk(blob, part int64, data []byte) error {
	_, err := t.change("INSERT INTO @blob_chunks (blob, part, data, checksum) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
		blob, part, data, int64(crc32.Checksum(data, castagnoli)))
	return err
}

type blobRow struct{ id, size int64 }

func (s *blobStore) find(ctx context.Context, name string) (b blobRow, err error) {
	err = s.db.read(ctx, func(conn *pgx.Conn) error {
		err := conn.QueryRow(ctx, s.db.sql("SELECT id, size FROM @blobs WHERE name = $1"), name).Scan(&b.id, &b.size)
		if errors.Is(err, pgx.ErrNoRows) {
			return sinks.ErrNotFound
		}
		return err
	})
	return b, err
}

// Open implements sinks.BlobStore.
func (s *blobStore) Open(ctx context.Context, name string) (io.ReadCloser, int64, error) {
	b, err := s.find(ctx, name)
	if err != nil {
		return nil, 0, err
	}
	return &content{ctx: ctx, db: s.db, name: name, id: b.id, left: b.size}, b.size, nil
}

// List implements sinks.BlobStore. No byte of a name is above 'z', so the names with a prefix end before prefix and '{'.
func (s *blobStore) List(ctx context.Context, prefix, after string, limit int) (blobs []sinks.Blob, err error) {
	if limit == 0 {
		limit = math.MaxInt
	}
	err = s.db.read(ctx, func(conn *pgx.Conn) error {
		blobs = nil
		return collect(ctx, conn, func(rows pgx.Rows) error {
			var b sinks.Blob
			err := rows.Scan(&b.Name, &b.Size)
			blobs = append(blobs, b)
			return err
		}, s.db.sql("SELECT name, size FROM @blobs WHERE name >= $1 AND name < $2 AND name > $3 ORDER BY name LIMIT $4"),
			prefix, prefix+"{", after, int64(limit))
	})
	return blobs, err
}

// Delete implements sinks.BlobStore. The name goes first, the parts after it in steps.
func (s *blobStore) Delete(ctx context.Context, name string) error {
	id, found := int64(0), false
	err := s.db.write(ctx, s.lease, func(t *tx) error {
		err := t.get([]any{&id}, "SELECT id FROM @blobs WHERE name = $1 FOR UPDATE", name)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil // an earlier attempt may have found it
		}
		if err == nil {
			found = true
			_, err = t.change("UPDATE @blobs SET name = NULL, host = NULL, process = NULL WHERE id = $1", id)
		}
		return err
	})
	if err == nil && found {
		s.removeParts(ctx, id)
	}
	return err
}

// remove deletes a blob that has no name.
func (s *blobStore) remove(ctx context.Context, id int64) error {
	const atOnce = 64
	for removed := int64(atOnce); removed == atOnce; {
		err := s.db.write(ctx, nil, func(t *tx) (err error) {
			err = t.get([]any{&id}, "SELECT id FROM @blobs WHERE id = $1 AND name IS NULL FOR UPDATE", id)
			if errors.Is(err, pgx.ErrNoRows) {
				removed = 0
				return nil
			}
			if err == nil {
				removed, err = t.change(`DELETE FROM @blob_chunks WHERE blob = $1 AND part IN
					(SELECT part FROM @blob_chunks WHERE blob = $1 LIMIT $2)`, id, int64(atOnce))
			}
			if err == nil && removed < atOnce {
				_, err = t.change("DELETE FROM @blobs WHERE id = $1", id)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// removeParts removes what has lost its name, or never got it. What cannot be removed now is removed when somebody opens
// the blobs after this process has ended.
func (s *blobStore) removeParts(ctx context.Context, id int64) {
	if err := s.remove(ctx, id); err != nil {
		s.db.options.Logger.WarnContext(ctx, "postgres: parts of a blob that is not there were left behind", "error", err)
	}
}

// Close implements sinks.BlobStore.
func (s *blobStore) Close() error {
	err := s.giveUp()
	s.db.close()
	return err
}
