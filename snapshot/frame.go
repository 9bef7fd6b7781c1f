package snapshot

import (
	"fmt"
	"hash/crc32"
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
	NoCompression
)

// String returns the name of the kind.
func (c Compression) String() string {
	switch c {
	case S2:
		return "s2"
	case Zstd:
		return "zstd"
	case NoCompression:
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
