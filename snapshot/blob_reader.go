package snapshot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// blobReader reads a blob frame by frame.
type blobReader struct {
	r      io.Reader
	size   int64 // bytes of the blob
	left   int64 // of them that are still to come
	so     unpacked
	sum    uint32
	stored []byte
	raw    []byte
	zstd   *zstd.Decoder
}

// open reads the head of a blob of size bytes. A newer format is ErrTooNew.
func (b *blobReader) open(r io.Reader, size int64, kind byte) error {
	var head [headBytes]byte
	if size < headBytes {
		return corrupt("%d bytes are no blob of a snapshot", size)
	}
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return short(err)
	}
	version := binary.LittleEndian.Uint16(head[4:])
	switch {
	case string(head[:4]) != magic:
		return corrupt("it does not begin with %q", magic)
	case crc32.Checksum(head[:16], castagnoli) != binary.LittleEndian.Uint32(head[16:]):
		return corrupt("checksum of the head")
	case version > formatVersion:
		return fmt.Errorf("%w: format %d; this version reads up to %d", ErrTooNew, version, formatVersion)
	case version == 0 || head[6] != kind || head[7] != 0:
		return corrupt("kind %q of format %d where %q is wanted", head[6], version, kind)
	case binary.LittleEndian.Uint64(head[8:]) != uint64(size):
		return corrupt("%d bytes where the head says %d", size, binary.LittleEndian.Uint64(head[8:]))
	}
	b.r, b.size, b.left, b.sum, b.so = r, size, size-headBytes, 0, unpacked{kind: kind}
	return nil
}

// next returns the content of the next frame, good until the following call, and its checksum; io.EOF behind the last.
func (b *blobReader) next() (raw []byte, sum uint32, err error) {
	if b.left == 0 {
		return nil, 0, b.end()
	}
	if b.left < frameHead+frameTail {
		return nil, 0, corrupt("%d bytes are no frame", b.left)
	}
	var head [frameHead]byte
	if _, err := io.ReadFull(b.r, head[:]); err != nil {
		return nil, 0, short(err)
	}
	stored, size := int64(binary.LittleEndian.Uint32(head[:])), int64(binary.LittleEndian.Uint32(head[4:]))
	switch {
	case stored > b.left-frameHead-frameTail:
		return nil, 0, corrupt("a frame of %d bytes in the last %d", stored, b.left)
	case size > maxFrame || stored > size || !b.so.allows(size, stored, b.size):
		return nil, 0, corrupt("a frame of %d bytes that says it holds %d", stored, size)
	}
	if b.stored, err = readGrowing(b.r, b.stored[:0], int(stored)+frameTail); err != nil {
		return nil, 0, err
	}
	b.left -= frameHead + stored + frameTail
	b.so.add(size)
	body := b.stored[:stored]
	b.sum = crc32.Update(crc32.Update(b.sum, castagnoli, head[:]), castagnoli, body)
	if b.sum != binary.LittleEndian.Uint32(b.stored[stored:]) {
		return nil, 0, corrupt("checksum of a frame")
	}
	raw, err = b.unpack(body, int(size), head[8])
	return raw, b.sum, err
}

// end returns io.EOF if nothing follows the last frame.
func (b *blobReader) end() error {
	var one [1]byte
	if n, err := io.ReadFull(b.r, one[:]); n == 0 {
		return err
	}
	return corrupt("bytes behind the end")
}

// readGrowing reads n bytes without making room for more than a megabyte that has not come yet.
func readGrowing(r io.Reader, b []byte, n int) ([]byte, error) {
	for len(b) < n {
		step := min(n-len(b), 1<<20)
		at := len(b)
		if cap(b)-at < step {
			b = append(b, make([]byte, step)...)
		} else {
			b = b[:at+step]
		}
		if _, err := io.ReadFull(r, b[at:]); err != nil {
			return b[:at], short(err)
		}
	}
	return b, nil
}

// unpack never makes room for more than size bytes, whatever the body says of itself.
func (b *blobReader) unpack(body []byte, size int, method byte) (raw []byte, err error) {
	if (method == storedRaw) != (len(body) == size) || method > storedZstd {
		return nil, corrupt("a frame of %d bytes, packed in way %d, that says it holds %d", len(body), method, size)
	}
	if method == storedRaw {
		return body, nil
	}
	if cap(b.raw) < size {
		b.raw = make([]byte, size)
	}
	if method == storedS2 {
		raw, err = b.unpackS2(body, b.raw[:size])
	} else {
		raw, err = b.unpackZstd(body, b.raw[:0:size])
	}
	if err != nil {
		return nil, corrupt("frame: %w", err)
	}
	if len(raw) != size {
		return nil, corrupt("a frame of %d bytes that says it holds %d", len(raw), size)
	}
	return raw, nil
}

func (b *blobReader) unpackS2(body, raw []byte) ([]byte, error) {
	if n, err := s2.DecodedLen(body); err != nil || n != len(raw) {
		return nil, errors.New("s2 block of other length")
	}
	return s2.Decode(raw, body)
}

func (b *blobReader) unpackZstd(body, raw []byte) (_ []byte, err error) {
	if b.zstd == nil {
		b.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxFrame), zstd.WithDecodeAllCapLimit(true))
		if err != nil {
			return nil, err
		}
	}
	return b.zstd.DecodeAll(body, raw)
}

func (b *blobReader) close() {
	if b.zstd != nil {
		b.zstd.Close()
	}
}

// short tells an early end from a failing store.
func short(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return corrupt("it ends too early")
	}
	return err
}
