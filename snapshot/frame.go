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

const maxFrame = 1 << 30 // raw bytes

// A density is how many raw bytes a reader believes in: some at any rate, else so many times what is stored. A writer
// stores what would be packed denser as it is.
type density struct{ free, ratio int64 }

var (
	ofFrame    = density{2 << 20, 16} // a block is about half as long as what is free
	ofManifest = density{128 << 10, 8}
)

func (d density) allows(raw, stored int64) bool { return raw <= d.free || raw/d.ratio <= stored }

// unpacked counts what the frames of a blob hold. A block is gone from memory when the next one comes. A manifest stays: so
// all of its frames count together, and those before the sections, which take up to twelve times their raw bytes in memory,
// more strictly.
type unpacked struct {
	kind   byte
	frames int
	bytes  int64
}

// allows tells whether one more frame is believed in a blob of so many bytes.
func (u *unpacked) allows(raw, stored, blob int64) bool {
	if u.kind == kindManifest && (!ofFrame.allows(u.bytes+raw, blob) || u.frames < fixedFrames && !ofManifest.allows(u.bytes+raw, blob)) {
		return false
	}
	return ofFrame.allows(raw, stored)
}

func (u *unpacked) add(raw int64) {
	u.frames++
	u.bytes += raw
}

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
