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

// A blob is a head of 20 bytes followed by frames; docs/formats/snapshot.md describes every byte.
const (
	magic         = "ephs"
	formatVersion = 1
	headBytes     = 20
	frameHead     = 9 // stored length, raw length, compression
	frameTail     = 4 // checksum
)

// Kinds of blobs.
const (
	kindObject   = 'o'
	kindManifest = 'm'
)

// A reader believes a frame's raw length up to a megabyte, or up to this many times the bytes that are there. A writer
// stores what would be packed denser as it is.
const (
	freeRaw  = 1 << 20
	maxRatio = 64
	maxFrame = 1 << 30 // raw bytes
)

// Compression is how the frames of new blobs are packed. Every blob can be read whatever it is.
type Compression int

// The kinds of Compression.
const (
	S2   Compression = iota // fast
	Zstd                    // smaller, about half as fast
	None
)

// String returns the name of the kind.
func (c Compression) String() string {
	switch c {
	case S2:
		return "s2"
	case Zstd:
		return "zstd"
	case None:
		return "none"
	}
	return fmt.Sprintf("Compression(%d)", int(c))
}

// As they stand in a frame.
const (
	storedRaw  = 0
	storedS2   = 1
	storedZstd = 2
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// blobWriter builds a blob in memory.
type blobWriter struct {
	buf    []byte
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
}

// add appends a frame and returns its checksum.
func (w *blobWriter) add(raw []byte) (uint32, error) {
	if len(raw) > maxFrame {
		return 0, fmt.Errorf("%w: %d bytes in one piece; at most %d", ErrOption, len(raw), maxFrame)
	}
	stored, method, err := w.pack(raw)
	if err != nil {
		return 0, err
	}
	at := len(w.buf)
	w.buf = binary.LittleEndian.AppendUint32(w.buf, uint32(len(stored)))
	w.buf = binary.LittleEndian.AppendUint32(w.buf, uint32(len(raw)))
	w.buf = append(w.buf, method)
	w.buf = append(w.buf, stored...)
	sum := crc32.Checksum(w.buf[at:], castagnoli)
	w.buf = binary.LittleEndian.AppendUint32(w.buf, sum)
	return sum, nil
}

func (w *blobWriter) pack(raw []byte) (stored []byte, method byte, err error) {
	switch w.method {
	case None:
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
	if len(stored) >= len(raw) || !credible(len(raw), len(stored)) {
		return raw, storedRaw, nil
	}
	return stored, method, nil
}

// credible reports whether a reader will believe that stored bytes unpack to raw ones.
func credible(raw, stored int) bool { return raw <= freeRaw || raw/maxRatio <= stored }

// size is the length of the blob so far.
func (w *blobWriter) size() int { return len(w.buf) }

// finish returns the blob; it is good until the next reset.
func (w *blobWriter) finish() []byte {
	binary.LittleEndian.PutUint64(w.buf[8:], uint64(len(w.buf)))
	binary.LittleEndian.PutUint32(w.buf[16:], crc32.Checksum(w.buf[:16], castagnoli))
	return w.buf
}

// blobReader reads a blob frame by frame.
type blobReader struct {
	r      io.Reader
	left   int64 // bytes of the blob that are still to come
	stored []byte
	raw    []byte
	zstd   *zstd.Decoder
	opened bool
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
	b.r, b.left, b.opened = r, size-headBytes, true
	return nil
}

// next returns the content of the next frame, good until the following call, and its checksum; io.EOF behind the last.
func (b *blobReader) next() (raw []byte, sum uint32, err error) {
	if b.left == 0 {
		var one [1]byte
		if n, err := b.r.Read(one[:]); n > 0 || !errors.Is(err, io.EOF) {
			return nil, 0, corrupt("bytes behind the end")
		}
		return nil, 0, io.EOF
	}
	var head [frameHead]byte
	if b.left < frameHead+frameTail {
		return nil, 0, corrupt("%d bytes are no frame", b.left)
	}
	if _, err := io.ReadFull(b.r, head[:]); err != nil {
		return nil, 0, short(err)
	}
	stored, size := int64(binary.LittleEndian.Uint32(head[:])), int64(binary.LittleEndian.Uint32(head[4:]))
	switch {
	case stored > b.left-frameHead-frameTail:
		return nil, 0, corrupt("a frame of %d bytes in the last %d", stored, b.left)
	case size > maxFrame || !credible(int(size), int(stored)):
		return nil, 0, corrupt("a frame of %d bytes that says it holds %d", stored, size)
	}
	if b.stored, err = readGrowing(b.r, b.stored[:0], int(stored)+frameTail); err != nil {
		return nil, 0, err
	}
	b.left -= frameHead + stored + frameTail
	body := b.stored[:stored]
	sum = crc32.Update(crc32.Checksum(head[:], castagnoli), castagnoli, body)
	if sum != binary.LittleEndian.Uint32(b.stored[stored:]) {
		return nil, 0, corrupt("checksum of a frame")
	}
	raw, err = b.unpack(body, int(size), head[8])
	return raw, sum, err
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

func (b *blobReader) unpack(body []byte, size int, method byte) (raw []byte, err error) {
	switch method {
	case storedRaw:
		raw = body
	case storedS2:
		if n, err := s2.DecodedLen(body); err != nil || n != size {
			return nil, corrupt("s2 frame of other length")
		}
		if cap(b.raw) < size {
			b.raw = make([]byte, size)
		}
		raw, err = s2.Decode(b.raw[:size], body)
	case storedZstd:
		if b.zstd == nil {
			b.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxFrame))
			if err != nil {
				return nil, err
			}
		}
		if cap(b.raw) < size {
			b.raw = make([]byte, 0, size)
		}
		raw, err = b.decodeZstd(body, size)
	default:
		return nil, corrupt("compression %d of a frame", method)
	}
	if err != nil {
		return nil, corrupt("frame: %w", err)
	}
	if len(raw) != size {
		return nil, corrupt("a frame of %d bytes that says it holds %d", len(raw), size)
	}
	return raw, nil
}

// decodeZstd stops behind size bytes, whatever the zstd frame says of itself.
func (b *blobReader) decodeZstd(body []byte, size int) ([]byte, error) {
	var h zstd.Header
	if err := h.Decode(body); err != nil {
		return nil, err
	}
	if h.HasFCS && h.FrameContentSize != uint64(size) || !h.HasFCS {
		return nil, errors.New("zstd frame of other or unknown length")
	}
	return b.zstd.DecodeAll(body, b.raw[:0])
}

// rest checks the frames that nobody has asked for yet.
func (b *blobReader) rest() error {
	for {
		if _, _, err := b.next(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
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
