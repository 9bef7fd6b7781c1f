package pgstore

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/jackc/pgx/v5"

	"github.com/ephemera-go/ephemera/sinks"
)

// A content fetches part after part, each by a query of its own, so that a slow reader holds no connection.
type content struct {
	ctx  context.Context
	db   *database
	name string
	id   int64
	part int64  // the next one to fetch
	left int64  // bytes that are not fetched yet
	rest []byte // of the part that was fetched
	err  error
}

func (c *content) Read(p []byte) (int, error) {
	if len(c.rest) == 0 && c.err == nil {
		c.err = c.fetch()
	}
	if len(c.rest) == 0 {
		return 0, c.err
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// fetch returns io.EOF after the last part.
func (c *content) fetch() error {
	if c.left == 0 {
		return io.EOF
	}
	var data []byte
	var checksum int64
	err := c.db.read(c.ctx, func(conn *pgx.Conn) error {
		err := conn.QueryRow(c.ctx, c.db.sql("SELECT data, checksum FROM @blob_chunks WHERE blob = $1 AND part = $2"), c.id, c.part).
			Scan(&data, &checksum)
		if errors.Is(err, pgx.ErrNoRows) {
			err = c.missing(conn)
		}
		return err
	})
	if err == nil && (int64(crc32.Checksum(data, castagnoli)) != checksum || int64(len(data)) > c.left || len(data) == 0) {
		err = fmt.Errorf("%w: part %d", sinks.ErrCorrupt, c.part)
	}
	if err != nil {
		return &sinks.Error{Op: "read", Driver: driverName, Object: c.name, Err: err}
	}
	c.part++
	c.left -= int64(len(data))
	c.rest = data
	return nil
}

// missing tells a blob that was deleted from one that lost a part.
func (c *content) missing(conn *pgx.Conn) error {
	var known bool
	err := conn.QueryRow(c.ctx, c.db.sql("SELECT EXISTS (SELECT FROM @blobs WHERE id = $1 AND name IS NOT NULL)"), c.id).Scan(&known)
	switch {
	case err != nil:
		return err
	case known:
		return fmt.Errorf("%w: part %d is missing", sinks.ErrCorrupt, c.part)
	}
	return fmt.Errorf("%w: deleted while it was read", sinks.ErrNotFound)
}

func (c *content) Close() error {
	c.rest, c.err = nil, sinks.ErrClosed
	return nil
}
