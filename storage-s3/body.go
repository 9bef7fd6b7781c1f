package s3store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"os"

	"github.com/ephemera-go/ephemera/sinks"
)

const (
	// maxObject is the most that S3 takes in one upload.
	maxObject = 5 << 30
	// inMemory is the most that a body takes in memory. A larger one waits in a temporary file.
	inMemory = 8 << 20
	copySize = 128 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// A body is what an upload sends. It is all there before the upload begins, so that an upload can be repeated, has a
// checksum, and does not begin if the bytes are not what they should be.
type body struct {
	content io.ReaderAt
	size    int64
	sha256  string // hexadecimal; the server compares it
	crc     uint32 // Castagnoli; readers compare it
	file    *os.File
}

func (b *body) close() {
	if b.file != nil {
		_ = b.file.Close() // a temporary file: nothing in it is needed any more
		_ = os.Remove(b.file.Name())
	}
}

// bodyOf is a body that lies in memory.
func bodyOf(content []byte) *body {
	sum := sha256.Sum256(content)
	return &body{
		content: bytes.NewReader(content), size: int64(len(content)), sha256: hex.EncodeToString(sum[:]),
		crc: checksum(content),
	}
}

// receive takes in what r delivers: size bytes, which the caller vouches for.
func receive(r io.Reader, size int64) (*body, error) {
	if size > maxObject {
		return nil, fmt.Errorf("%w: %w: %d bytes, at most %d", sinks.ErrInvalid, ErrTooLarge, size, int64(maxObject))
	}
	if size > inMemory {
		return spool(r, size)
	}
	content := make([]byte, size)
	if _, err := io.ReadFull(r, content); err != nil {
		return nil, err
	}
	return bodyOf(content), nil
}

// spool takes a body into a temporary file.
func spool(r io.Reader, size int64) (*body, error) {
	f, err := os.CreateTemp("", "ephemera-*")
	if err != nil {
		return nil, fmt.Errorf("a temporary file for the blob: %w", err)
	}
	_ = os.Remove(f.Name()) // where that is possible, nothing stays behind when the process is killed
	b := &body{content: f, size: size, file: f}
	sha, crc := sha256.New(), crc32.New(castagnoli)
	if err := copyAll(io.MultiWriter(f, sha, crc), r); err != nil {
		b.close()
		return nil, err
	}
	b.sha256, b.crc = sumText(sha), crc.Sum32()
	return b, nil
}

func sumText(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

func copyAll(w io.Writer, r io.Reader) error {
	_, err := io.CopyBuffer(w, r, make([]byte, copySize))
	return err
}
