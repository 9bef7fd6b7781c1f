package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"

	"github.com/ephemera-go/ephemera/sinks"
)

// chunkBytes is the size of the parts that a blob is kept in. One part is in memory per Put and per open blob.
const chunkBytes = 512 << 10

// blobStore is used through sinks.CheckedBlobs.
type blobStore struct {
	*lease
	db *database
}

func newBlobStore(db *database) *blobStore {
	return &blobStore{lease: &lease{db: db, destination: "blobs"}, db: db}
}

// Put implements sinks.BlobStore. A blob of several parts comes in as many transactions and gets its name in the last
// one, so that other writers and the log never wait for a slow reader or hold a large blob.
func (s *blobStore) Put(ctx context.Context, name string, size int64, r io.Reader) error {
	if s.db.writer == nil {
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
	u, err := s.beginUpload(ctx, size)
	if err == nil {
		if err = u.copy(ctx, size, r); err == nil {
			err = u.publish(ctx, name)
		}
		if err != nil && !errors.Is(err, sinks.ErrUnknownOutcome) {
			// What cannot be removed now is removed when somebody opens the store after this process.
			_ = s.remove(context.WithoutCancel(ctx), u.id)
		}
	}
	return err
}

func (s *blobStore) putSmall(ctx context.Context, name string, size int64, r io.Reader) error {
	content := make([]byte, size)
	if _, err := io.ReadFull(r, content); err != nil {
		return err
	}
	return s.db.write(ctx, s.lease, func(tx *Tx) error {
		if err := nameFree(tx, name); err != nil {
			return err
		}
		var id int64
		err := tx.Get([]any{&id}, "INSERT INTO blobs (name, size, touched) VALUES (?, ?, ?) RETURNING id", name, size, now())
		if err != nil || size == 0 {
			return err
		}
		return insertChunk(tx, id, 0, content)
	})
}

func nameFree(tx *Tx, name string) error {
	var id int64
	err := tx.Get([]any{&id}, "SELECT id FROM blobs WHERE name = ?", name)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return err
	}
	return sinks.ErrExists
}

func insertChunk(tx *Tx, blob, part int64, data []byte) error {
	_, err := tx.Exec("INSERT INTO blob_chunks (blob, part, data, checksum) VALUES (?, ?, ?, ?)",
		blob, part, data, int64(crc32.Checksum(data, castagnoli)))
	return err
}

type blobRow struct{ id, size int64 }

func (s *blobStore) find(ctx context.Context, name string) (b blobRow, err error) {
	if err := s.db.look(); err != nil {
		return b, err
	}
	err = s.db.readers.QueryRowContext(ctx, "SELECT id, size FROM blobs WHERE name = ?", name).Scan(&b.id, &b.size)
	if errors.Is(err, sql.ErrNoRows) {
		return b, sinks.ErrNotFound
	}
	return b, readError(ctx, err)
}

// Open implements sinks.BlobStore.
func (s *blobStore) Open(ctx context.Context, name string) (io.ReadCloser, int64, error) {
	b, err := s.find(ctx, name)
	if err != nil {
		return nil, 0, err
	}
	return &blobReader{ctx: ctx, db: s.db, name: name, id: b.id, left: b.size}, b.size, nil
}

// List implements sinks.BlobStore. No byte of a name is above 'z', so the names with a prefix end before prefix and '{'.
func (s *blobStore) List(ctx context.Context, prefix, after string, limit int) (blobs []sinks.Blob, err error) {
	if limit == 0 {
		limit = math.MaxInt
	}
	if err := s.db.look(); err != nil {
		return nil, err
	}
	rows, err := s.db.readers.QueryContext(ctx,
		"SELECT name, size FROM blobs WHERE name >= ? AND name < ? AND name > ? ORDER BY name LIMIT ?",
		prefix, prefix+"{", after, limit)
	if err != nil {
		return nil, readError(ctx, err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var b sinks.Blob
		if err := rows.Scan(&b.Name, &b.Size); err != nil {
			return nil, readError(ctx, err)
		}
		blobs = append(blobs, b)
	}
	return blobs, readError(ctx, rows.Err())
}

// Delete implements sinks.BlobStore. The name goes first, the parts after it in steps.
func (s *blobStore) Delete(ctx context.Context, name string) error {
	var id int64
	err := s.db.write(ctx, s.lease, func(tx *Tx) error {
		return tx.Get([]any{&id}, "UPDATE blobs SET name = NULL, host = NULL, process = NULL WHERE name = ? RETURNING id", name)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err == nil {
		err = s.remove(context.WithoutCancel(ctx), id)
	}
	return err
}

// remove deletes a blob that has no name.
func (s *blobStore) remove(ctx context.Context, id int64) error {
	const atOnce = 64
	for more := true; more; {
		err := s.db.writer.run(ctx, func(tx *Tx) error {
			n, err := tx.Exec("DELETE FROM blob_chunks WHERE id IN (SELECT id FROM blob_chunks WHERE blob = ? LIMIT ?)", id, atOnce)
			more = n == atOnce
			if err == nil && !more {
				_, err = tx.Exec("DELETE FROM blobs WHERE id = ? AND name IS NULL", id)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	s.db.shrink(ctx)
	return nil
}

// Close implements sinks.BlobStore.
func (s *blobStore) Close() error {
	return errors.Join(s.giveUp(), s.db.close())
}

// blobReader fetches part after part, each by a query of its own: a long read would keep the log from being emptied.
type blobReader struct {
	ctx  context.Context
	db   *database
	name string
	id   int64
	part int64  // the next one to fetch
	left int64  // bytes that are not fetched yet
	rest []byte // of the part that was fetched
	err  error
}

func (b *blobReader) Read(p []byte) (int, error) {
	if len(b.rest) == 0 && b.err == nil {
		b.err = b.fetch()
	}
	if len(b.rest) == 0 {
		return 0, b.err
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// fetch returns io.EOF after the last part.
func (b *blobReader) fetch() error {
	if b.left == 0 {
		return io.EOF
	}
	var data []byte
	var checksum int64
	err := b.db.readers.QueryRowContext(b.ctx, "SELECT data, checksum FROM blob_chunks WHERE blob = ? AND part = ?", b.id, b.part).
		Scan(&data, &checksum)
	switch {
	case b.db.closed.Load():
		err = sinks.ErrClosed
	case errors.Is(err, sql.ErrNoRows):
		err = b.missing()
	case err != nil:
		err = readError(b.ctx, err)
	case int64(crc32.Checksum(data, castagnoli)) != checksum || int64(len(data)) > b.left || len(data) == 0:
		err = fmt.Errorf("%w: part %d", sinks.ErrCorrupt, b.part)
	}
	if err != nil {
		return &sinks.Error{Op: "read", Driver: scheme, Object: b.name, Err: err}
	}
	b.part++
	b.left -= int64(len(data))
	b.rest = data
	return nil
}

// missing tells a blob that was deleted from one that lost a part.
func (b *blobReader) missing() error {
	var known bool
	err := b.db.readers.QueryRowContext(b.ctx, "SELECT count(*) FROM blobs WHERE id = ? AND name IS NOT NULL", b.id).Scan(&known)
	switch {
	case err != nil:
		return readError(b.ctx, err)
	case known:
		return fmt.Errorf("%w: part %d is missing", sinks.ErrCorrupt, b.part)
	}
	return fmt.Errorf("%w: deleted while it was read", sinks.ErrNotFound)
}

func (b *blobReader) Close() error {
	b.rest, b.err = nil, sinks.ErrClosed
	return nil
}
