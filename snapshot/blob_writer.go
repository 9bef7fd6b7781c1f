package snapshot

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// blobWriter builds a blob in memory.
type blobWriter struct {
	buf    []byte
	sum    uint32 // of all so far, but for the checksums themselves
	so     unpacked
	method Compression
	zstd   *zstd.Encoder
	packed []byte
}

func newBlobWriter(kind byte, method Compression) *blobWriter {
	w := &blobWriter{method: method}
	w.reset(kind)
	return w
}

// reset begins a new blob in the same memory.
func (w *blobWriter) reset(kind byte) {
	w.buf = append(w.buf[:0], make([]byte, headBytes)...)
	copy(w.buf, magic)
	binary.LittleEndian.PutUint16(w.buf[4:], formatVersion)
	w.buf[6] = kind
	w.sum, w.so = 0, unpacked{kind: kind}
}

// add appends a frame and returns its checksum, which covers all frames before it as well: so it tells a place from
// another, and a blob from another.
func (w *blobWriter) add(raw []byte) (uint32, error) {
	if len(raw) > maxFrame {
		return 0, fmt.Errorf("%w: %d bytes in one piece; at most %d", ErrOption, len(raw), maxFrame)
	}
	stored, method, err := w.pack(raw)
	if err != nil {
		return 0, err
	}
	w.so.add(int64(len(raw)))
	at := len(w.buf)
	w.buf = binary.LittleEndian.AppendUint32(w.buf, uint32(len(stored)))
	w.buf = binary.LittleEndian.AppendUint32(w.buf, uint32(len(raw)))
	w.buf = append(w.buf, method)
	w.buf = append(w.buf, stored...)
	w.sum = crc32.Update(w.sum, castagnoli, w.buf[at:])
	w.buf = binary.LittleEndian.AppendUint32(w.buf, w.sum)
	return w.sum, nil
}

func (w *blobWriter) pack(raw []byte) (stored []byte, method byte, err error) {
	switch w.method {
	case NoCompression:
		return raw, storedRaw, nil
	case S2:
		if n := s2.MaxEncodedLen(len(raw)); cap(w.packed) < n {
			w.packed = make([]byte, n)
		}
		stored, method = s2.Encode(w.packed[:cap(w.packed)], raw), storedS2
	case Zstd:
		if w.zstd == nil {
			w.zstd, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
			if err != nil {
				return nil, 0, err
			}
		}
		w.packed = w.zstd.EncodeAll(raw, w.packed[:0])
		stored, method = w.packed, storedZstd
	}
	if len(stored) >= len(raw) || !w.so.allows(int64(len(raw)), int64(len(stored)), int64(len(w.buf)+len(stored))) {
		return raw, storedRaw, nil
	}
	return stored, method, nil
}

// size is the length of the blob so far.
func (w *blobWriter) size() int { return len(w.buf) }

// finish returns the blob; it is good until the next reset.
func (w *blobWriter) finish() []byte {
	binary.LittleEndian.PutUint64(w.buf[8:], uint64(len(w.buf)))
	binary.LittleEndian.PutUint32(w.buf[16:], crc32.Checksum(w.buf[:16], castagnoli))
	return w.buf
}
