package snapshot

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"

	"github.com/ephemera-go/ephemera/core"
)

// What reading a blob may allocate: so many times its bytes, and so much at any rate, the decoder of zstd included.
const (
	readTimes = 20
	readFree  = 4 << 20

	freeRaw = 2 << 20 // raw bytes of a frame that a reader believes at any rate
)

func readFrames(blob []byte) error {
	var b blobReader
	defer b.close()
	err := b.open(bytes.NewReader(blob), int64(len(blob)), kindObject)
	for err == nil {
		_, _, err = b.next()
	}
	return err
}

func zstdFrame(t testing.TB, raw []byte, options ...zstd.EOption) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil, append(options, zstd.WithEncoderConcurrency(1))...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	return w.EncodeAll(raw, nil)
}

func TestBombs(t *testing.T) {
	zeros := make([]byte, 64<<20)
	s2Bomb, zstdBomb := s2.Encode(nil, zeros), zstdFrame(t, zeros, zstd.WithSingleSegment(true))
	window := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0x98, 1, 0, 0} // a window of 512 MiB, no length, no content
	uvarint := func(n uint64) []byte { return binary.AppendUvarint(nil, n) }
	for _, x := range []struct {
		name  string
		frame packedFrame
	}{
		{"64 MiB of zeros in s2", packedFrame{storedS2, 64 << 20, s2Bomb}},
		{"64 MiB of zeros in zstd", packedFrame{storedZstd, 64 << 20, zstdBomb}},
		{"s2 that says less outside", packedFrame{storedS2, freeRaw, s2Bomb}},
		{"zstd that says less outside", packedFrame{storedZstd, freeRaw, zstdBomb}},
		{"1 GiB in nothing", packedFrame{storedS2, 1 << 30, nil}},
		{"4 GiB in nothing", packedFrame{storedZstd, math.MaxUint32, nil}},
		{"s2 that says 4 GiB inside", packedFrame{storedS2, freeRaw, append(uvarint(math.MaxUint32), 0, 0, 0)}},
		{"s2 that says 2^63 inside", packedFrame{storedS2, freeRaw, append(uvarint(1<<63), 0, 0, 0)}},
		{"s2 that holds less", packedFrame{storedS2, freeRaw, append(uvarint(freeRaw), 0, 0, 0)}},
		{"zstd with a large window", packedFrame{storedZstd, freeRaw, window}},
		{"zstd without a length", packedFrame{storedZstd, freeRaw, append(zstdFrame(t, zeros[:200], zstd.WithSingleSegment(false)), zstdBomb...)}},
		{"two frames of zstd", packedFrame{storedZstd, freeRaw, append(zstdFrame(t, zeros[:freeRaw]), zstdFrame(t, zeros[:freeRaw])...)}},
		{"zstd that holds less", packedFrame{storedZstd, freeRaw, zstdFrame(t, zeros[:freeRaw-1])}},
		{"zstd of a dictionary", packedFrame{storedZstd, 1000, []byte{0x28, 0xb5, 0x2f, 0xfd, 0x61, 9, 0xe8, 2, 1, 0, 0}}},
		{"no compression, other length", packedFrame{storedRaw, 10, []byte("123")}},
		{"no compression, shorter", packedFrame{storedRaw, 2, []byte("123")}},
		{"packed and not shorter", packedFrame{storedS2, 4, s2.Encode(nil, []byte("1234"))}},
		{"unknown compression", packedFrame{3, 10, []byte("123")}},
	} {
		blob := forgePacked(kindObject, packedFrame{storedRaw, 4, []byte("head")}, x.frame)
		var err error
		n := allocated(func() { err = readFrames(blob) })
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v, want ErrCorrupt", x.name, err)
		}
		if most := uint64(readTimes*len(blob) + readFree); n > most {
			t.Errorf("%s: %d bytes allocated for %d", x.name, n, len(blob))
		}
	}
	// As dense as a reader believes.
	raw := make([]byte, freeRaw)
	for name, f := range map[string]packedFrame{
		"s2": {storedS2, freeRaw, s2.Encode(nil, raw)}, "zstd": {storedZstd, freeRaw, zstdFrame(t, raw, zstd.WithSingleSegment(true))},
	} {
		blob := forgePacked(kindObject, f, f, f)
		var err error
		n := allocated(func() { err = readFrames(blob) })
		if err == nil || errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
		if n > uint64(readTimes*len(blob)+readFree) {
			t.Errorf("%s: %d bytes allocated for %d", name, n, len(blob))
		}
	}
}

// A blob that a store says is larger than it is.
func TestLengthsThatAreNotThere(t *testing.T) {
	for _, size := range []int64{-1, 0, headBytes - 1, 1 << 40, math.MaxInt64} {
		for _, stored := range []uint32{0, 1 << 29, math.MaxInt32, math.MaxUint32} {
			blob := forgePacked(kindObject, packedFrame{storedRaw, stored, []byte("short")})
			binary.LittleEndian.PutUint32(blob[headBytes:], stored)
			sealHead(blob)
			binary.LittleEndian.PutUint64(blob[8:], uint64(size))
			resumHead(blob)
			var err error
			n := allocated(func() {
				var b blobReader
				if err = b.open(bytes.NewReader(blob), size, kindObject); err == nil {
					_, _, err = b.next()
				}
			})
			if !errors.Is(err, ErrCorrupt) || n > readFree {
				t.Errorf("%d bytes with a frame of %d: %v, %d bytes allocated", size, stored, err, n)
			}
		}
	}
}

// Writers pack frames so that readers believe them.
func TestWritersAreBelieved(t *testing.T) {
	for _, how := range []Compression{S2, Zstd, NoCompression} {
		for _, n := range []int{0, 1, 2, 3, 20, 100, 255, 256, 257, 1000, 1024, 1025, 70_000, freeRaw, freeRaw + 1, 2*freeRaw + 5} {
			w := newBlobWriter(kindObject, how)
			zeros, steps := make([]byte, n), make([]byte, n)
			for i := range steps {
				steps[i] = byte(i / 64)
			}
			for _, raw := range [][]byte{zeros, steps} {
				if _, err := w.add(raw); err != nil {
					t.Fatal(err)
				}
			}
			blob := w.finish()
			var b blobReader
			if err := b.open(bytes.NewReader(blob), int64(len(blob)), kindObject); err != nil {
				t.Fatal(err)
			}
			for _, raw := range [][]byte{zeros, steps} {
				if got, _, err := b.next(); err != nil || !bytes.Equal(got, raw) {
					t.Errorf("%v, %d bytes: %d, %v", how, n, len(got), err)
				}
			}
			b.close()
		}
	}
	w := newBlobWriter(kindObject, NoCompression)
	if _, err := w.add(make([]byte, maxFrame+1)); !errors.Is(err, ErrOption) {
		t.Errorf("a frame that is too long: %v, want ErrOption", err)
	}
}

// example is a manifest in which everything occurs.
func example() *Manifest {
	return &Manifest{
		Ordinal: 7, Epoch: core.Epoch{1, 2, 3}, TakenAt: time.Date(2026, 5, 6, 7, 8, 9, 10, time.UTC), Final: true, Writer: "0123456789abcdef",
		Codec: "json", Schema: math.MaxUint32, Layout: core.Layout{Fixed: 2, Keyed: true, Arrival: true},
		Ledger:       core.Ledger{Appended: 1, Restored: math.MaxUint64, Unfolded: 3},
		PurgedBefore: time.Unix(1<<62, 5).UTC(),
		Partitions: []Partition{
			{Number: 0, First: 5, Next: 25, Capacity: 100, MaxAge: math.MaxInt64, MaxBytes: 7, Blocks: []Block{{1, 0, 10, 0xdeadbeef}, {0, 10, 15, 1}}},
			{Number: 1, First: math.MaxUint64 - 1, Next: 3, Capacity: core.MaxCapacity >> 6, Blocks: []Block{{1, math.MaxUint64 - 1, 5, 2}}},
			{Number: 9, First: 77, Next: 77, Capacity: 1, MaxBytes: math.MaxInt64},
		},
		Keys: Keys{Count: 3, Blocks: []Block{{0, 1, 2, 3}, {1, 3, 1, 4}}},
		Objects: []Object{
			{"store/objects/0000000000000003-0123456789abcdef-0001", 1000, core.Epoch{9}},
			{"store/objects/0000000000000007-0123456789abcdef-0002", math.MaxInt64, core.Epoch{1, 2, 3}},
		},
		Lineage: []Ancestor{
			{core.Epoch{8}, nil},
			{core.Epoch{9}, []AncestorHorizon{{0, 5}, {3, math.MaxUint64}, {maxPartitions - 1, 0}}},
		},
		Sections: []Section{{"window", []byte("data")}, {"empty", nil}, {"rollup:x", bytes.Repeat([]byte{1}, 1000)}},
	}
}

func TestManifestRoundTrip(t *testing.T) {
	m := example()
	for _, how := range []Compression{S2, Zstd, NoCompression} {
		blob, err := m.encode(DefaultName, how)
		if err != nil {
			t.Fatal(err)
		}
		back, err := decodeManifest(bytes.NewReader(blob), int64(len(blob)), DefaultName, 7)
		if err != nil {
			t.Fatal(how, err)
		}
		if diff := cmp.Diff(m, back); diff != "" {
			t.Error(how, diff)
		}
	}
	for _, at := range []time.Time{{}, time.Unix(math.MaxInt64, 999_999_999), time.Unix(math.MinInt64, 0), time.Unix(0, 1)} {
		m := &Manifest{Ordinal: 1, Epoch: core.Epoch{1}, PurgedBefore: at, TakenAt: at, Layout: core.Layout{Fixed: 1}, Partitions: []Partition{{Capacity: 1}}}
		blob, err := m.encode(DefaultName, S2)
		if err != nil {
			t.Fatal(err)
		}
		back, err := decodeManifest(bytes.NewReader(blob), int64(len(blob)), DefaultName, 1)
		if err != nil || back.PurgedBefore != at.UTC() || back.TakenAt != at.UTC() {
			t.Errorf("%d: %+v, %v", at.Unix(), back, err)
		}
		if _, err := decodeManifest(bytes.NewReader(blob), int64(len(blob)), "other", 1); !errors.Is(err, ErrCorrupt) {
			t.Errorf("the manifest of another store: %v, want ErrCorrupt", err)
		}
	}
}

// A manifest that does not hold together, although every checksum is right.
func TestManifestsThatCannotBe(t *testing.T) {
	const object = "store/objects/0000000000000003-0123456789abcdef-0001"
	for name, spoil := range map[string]func(m *Manifest){
		"no ordinal":                      func(m *Manifest) { m.Ordinal = 0 },
		"other ordinal":                   func(m *Manifest) { m.Ordinal = 8 },
		"no epoch":                        func(m *Manifest) { m.Epoch = core.Epoch{} },
		"no partitions":                   func(m *Manifest) { m.Layout.Fixed = 0 },
		"too many partitions":             func(m *Manifest) { m.Layout.Fixed = maxPartitions },
		"a partition missing":             func(m *Manifest) { m.Layout.Fixed = 3 },
		"lanes and partitions differ":     func(m *Manifest) { m.Layout.Lanes = 5 },
		"2^63 partitions":                 func(m *Manifest) { m.Layout.Fixed = math.MinInt },
		"negative lanes":                  func(m *Manifest) { m.Layout.Lanes = -1 },
		"partitions out of order":         func(m *Manifest) { m.Partitions[0].Number, m.Partitions[1].Number = 1, 0 },
		"a partition twice":               func(m *Manifest) { m.Partitions[2].Number = 1 },
		"a partition beyond all":          func(m *Manifest) { m.Partitions[2].Number = maxPartitions },
		"capacity 0":                      func(m *Manifest) { m.Partitions[0].Capacity = 0 },
		"negative capacity":               func(m *Manifest) { m.Partitions[0].Capacity = -1 },
		"negative age":                    func(m *Manifest) { m.Partitions[0].MaxAge = -1 },
		"negative bytes":                  func(m *Manifest) { m.Partitions[0].MaxBytes = -1 },
		"2^63 events":                     func(m *Manifest) { m.Partitions[2].Next += 1 << 63 },
		"2^64-1 events":                   func(m *Manifest) { m.Partitions[2].Next-- },
		"events without blocks":           func(m *Manifest) { m.Partitions[2].Next++ },
		"blocks without events":           func(m *Manifest) { m.Partitions[2].Blocks = []Block{{0, 77, 1, 0}} },
		"blocks that end before the last": func(m *Manifest) { m.Partitions[0].Next++ },
		"blocks that go on behind it":     func(m *Manifest) { m.Partitions[0].Next-- },
		"a block too early":               func(m *Manifest) { m.Partitions[0].First, m.Partitions[0].Blocks[0].First = 10, 0 },
		"a first block too late":          func(m *Manifest) { m.Partitions[0].Blocks[0].First = 6 },
		"an empty block":                  func(m *Manifest) { m.Partitions[0].Blocks[0].Count = 0 },
		"a block too large":               func(m *Manifest) { m.Partitions[0].Blocks[0].Count = maxBlock + 1 },
		"a negative block":                func(m *Manifest) { m.Partitions[0].Blocks[0].Count = -1 },
		"blocks that overlap":             func(m *Manifest) { m.Partitions[0].Blocks[0].Count = 12 },
		"blocks with a gap":               func(m *Manifest) { m.Partitions[0].Blocks[0].Count = 8 },
		"an object that is not listed":    func(m *Manifest) { m.Partitions[0].Blocks[0].Object = 2 },
		"object -1":                       func(m *Manifest) { m.Partitions[0].Blocks[0].Object = -1 },
		"an object without blocks": func(m *Manifest) {
			m.Objects = append(m.Objects, Object{"store/objects/0000000000000008-0123456789abcdef-0002", 100, core.Epoch{1}})
		},
		"an object twice":                    func(m *Manifest) { m.Objects[1].Name = m.Objects[0].Name },
		"objects out of order":               func(m *Manifest) { slices.Reverse(m.Objects) },
		"an object of no bytes":              func(m *Manifest) { m.Objects[0].Bytes = headBytes - 1 },
		"an object of negative bytes":        func(m *Manifest) { m.Objects[0].Bytes = -1 },
		"an object of another store":         func(m *Manifest) { m.Objects[0].Name = "other" + object[5:] },
		"an object that is a manifest":       func(m *Manifest) { m.Objects[0].Name = "store/manifests/0000000000000003" },
		"an object elsewhere":                func(m *Manifest) { m.Objects[0].Name = "store/objects/0000000000000003-../../x" },
		"an object of the parent":            func(m *Manifest) { m.Objects[0].Name = "../" + object },
		"an object without a name":           func(m *Manifest) { m.Objects[0].Name = "" },
		"an object with a long name":         func(m *Manifest) { m.Objects[0].Name = object + strings.Repeat("0", 500) },
		"an object with a strange name":      func(m *Manifest) { m.Objects[0].Name = object + "\x00" },
		"names without blocks":               func(m *Manifest) { m.Keys.Count++ },
		"blocks without names":               func(m *Manifest) { m.Keys.Count-- },
		"names from 0 on":                    func(m *Manifest) { m.Keys.Blocks[0].First, m.Keys.Blocks[0].Count = 0, 3 },
		"2^31 names":                         func(m *Manifest) { m.Keys.Count = math.MaxInt32 },
		"too many ancestors":                 func(m *Manifest) { m.Lineage = make([]Ancestor, maxLineage+1) },
		"an ancestor's partition twice":      func(m *Manifest) { m.Lineage[1].Next[1].Partition = 0 },
		"an ancestor's partition beyond all": func(m *Manifest) { m.Lineage[1].Next[2].Partition = maxPartitions },
		"a section twice":                    func(m *Manifest) { m.Sections[1].Name = "window" },
		"a section without a name":           func(m *Manifest) { m.Sections[1].Name = "" },
	} {
		m := example()
		spoil(m)
		blob, err := m.encode(DefaultName, NoCompression)
		if err != nil {
			t.Fatal(err)
		}
		if m.Ordinal != 7 { // it lies under the name that it has itself
			m.Ordinal = 7
		}
		if got, err := decodeManifest(bytes.NewReader(blob), int64(len(blob)), DefaultName, 7); !errors.Is(err, ErrCorrupt) || got != nil {
			t.Errorf("%s: %v, want ErrCorrupt", name, err)
		}
	}
}

// Frames of a manifest with numbers that are too great, too long, or count what is not there.
func TestManifestFramesThatLie(t *testing.T) {
	m := example()
	head := m.appendHead(appendText(nil, manifestName(DefaultName, 7)))
	frames := [][]byte{head, m.appendPartitions(), m.appendObjects(), m.appendLineage()}
	for _, s := range m.Sections {
		frames = append(frames, append(appendText(nil, s.Name), s.Data...))
	}
	decode := func(frames ...[]byte) error {
		blob := forgeBlob(kindManifest, frames...)
		var err error
		if n := allocated(func() { _, err = decodeManifest(bytes.NewReader(blob), int64(len(blob)), DefaultName, 7) }); n > uint64(16*len(blob)+2<<20) {
			t.Errorf("%d bytes allocated for %d", n, len(blob))
		}
		return err
	}
	if err := decode(frames...); err != nil {
		t.Fatal(err)
	}
	for n := range frames {
		if err := decode(frames[:n]...); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%d frames: %v, want ErrCorrupt", n, err)
		}
		if err := decode(slices.Concat(frames, frames[n:n+1])...); !errors.Is(err, ErrCorrupt) {
			t.Errorf("frame %d again: %v, want ErrCorrupt", n, err)
		}
		huge := [][]byte{
			binary.AppendUvarint(nil, math.MaxUint64), binary.AppendUvarint(nil, 1<<63), binary.AppendUvarint(nil, math.MaxUint32),
			bytes.Repeat([]byte{0xff}, 11),
			{0x80, 0x00},
			{0x80},
		}
		section := n >= fixedFrames // its data may be anything
		for at := range frames[n] {
			for _, x := range huge {
				lie := slices.Clone(frames)
				lie[n] = slices.Concat(frames[n][:at], x, frames[n][at+1:])
				// Some fields hold any number, so it may pass; but it must not pass for another manifest's bytes.
				if err := decode(lie...); err != nil && !errors.Is(err, ErrCorrupt) {
					t.Fatalf("frame %d, byte %d: %v", n, at, err)
				}
			}
			lie := slices.Clone(frames)
			if lie[n] = frames[n][:at]; !section {
				if err := decode(lie...); !errors.Is(err, ErrCorrupt) {
					t.Errorf("frame %d cut to %d bytes: %v, want ErrCorrupt", n, at, err)
				}
			}
		}
		lie := slices.Clone(frames)
		if lie[n] = append(slices.Clone(frames[n]), 0); !section {
			if err := decode(lie...); !errors.Is(err, ErrCorrupt) {
				t.Errorf("frame %d with a byte more: %v, want ErrCorrupt", n, err)
			}
		}
	}
}

// manifestMemory is what reading a manifest of so many bytes may allocate: twelve times what its first frames may hold, what
// its sections may hold, and what it takes to unpack them.
func manifestMemory(size int) uint64 {
	first, all := max(ofManifest.free, ofManifest.ratio*int64(size)), max(ofFrame.free, ofFrame.ratio*int64(size))
	return uint64(12*first + 2*all + 2<<20)
}

// What takes least bytes and most memory.
func TestManifestMemory(t *testing.T) {
	small := &Manifest{Ordinal: 1, Epoch: core.Epoch{1}, Layout: core.Layout{Fixed: 1}}
	head := func(sections int) []byte {
		b := small.appendHead(appendText(nil, manifestName(DefaultName, 1)))
		return binary.AppendUvarint(b[:len(b)-1], uint64(sections))
	}
	partitions := binary.AppendUvarint(nil, 100_000)
	for range 100_000 {
		partitions = append(partitions, 0, 0, 0, 1, 0, 0, 0)
	}
	partitions = append(partitions, 0, 0)
	blocks := binary.AppendUvarint([]byte{1, 0, 0}, 100_000) // one partition from 0 on
	blocks = binary.AppendUvarint(append(blocks, 1, 0, 0), 100_000)
	blocks = append(blocks, 0)
	for range 100_000 {
		blocks = append(blocks, 1, 0, 0, 0, 0, 0)
	}
	blocks = append(blocks, 0, 0)
	none := []byte{1, 0, 0, 0, 1, 0, 0, 0, 0, 0}
	horizons := append([]byte{1}, make([]byte, 16)...)
	horizons = append(binary.AppendUvarint(horizons, 200_000), make([]byte, 400_000)...)
	objects := binary.AppendUvarint(nil, 20_000)
	for i := range 20_000 {
		objects = binary.AppendUvarint(appendText(objects, fmt.Sprintf("%05d", i)), headBytes)
		objects = append(objects, make([]byte, 16)...)
	}
	var sections [][]byte
	for i := range 20_000 {
		sections = append(sections, appendText(nil, fmt.Sprintf("%05d", i)))
	}
	for name, frames := range map[string][][]byte{
		"partitions": {head(0), partitions, {0}, {0}},
		"blocks":     {head(0), blocks, {0}, {0}},
		"objects":    {head(0), none, objects, {0}},
		"ancestors":  {head(0), none, {0}, horizons},
		"sections":   append([][]byte{head(len(sections)), none, {0}, {0}}, sections...),
	} {
		blob := forgeBlob(kindManifest, frames...)
		n := allocated(func() { _, _ = decodeManifest(bytes.NewReader(blob), int64(len(blob)), DefaultName, 1) })
		t.Logf("%s: %d bytes allocated for %d, %.1f times", name, n, len(blob), float64(n)/float64(len(blob)))
		if n > uint64(16*len(blob)+2<<20) {
			t.Errorf("%s: %d bytes allocated for %d", name, n, len(blob))
		}
		// Packed as dense as can be, and as dense as a reader believes.
		var packed []packedFrame
		for _, f := range frames {
			packed = append(packed, packedFrame{storedS2, uint32(len(f)), s2.Encode(nil, f)})
			if x := &packed[len(packed)-1]; len(x.stored) >= len(f) {
				*x = packedFrame{storedRaw, uint32(len(f)), f}
			}
		}
		for _, filler := range []int{0, len(frames[1])/int(ofManifest.ratio) + 1000} {
			blob := forgePacked(kindManifest, append(packed, packedFrame{storedRaw, uint32(filler), make([]byte, filler)})...)
			var err error
			n = allocated(func() { _, err = decodeManifest(bytes.NewReader(blob), int64(len(blob)), DefaultName, 1) })
			t.Logf("%s packed: %d bytes allocated for %d, %.1f times: %v", name, n, len(blob), float64(n)/float64(len(blob)), err)
			if n > manifestMemory(len(blob)) {
				t.Errorf("%s packed: %d bytes allocated for %d", name, n, len(blob))
			}
		}
	}
	// Sections that unpack to a thousand times what is there.
	var frames []packedFrame
	for _, f := range [][]byte{head(1000), none, {0}, {0}} {
		frames = append(frames, packedFrame{storedRaw, uint32(len(f)), f})
	}
	for i := range 1000 {
		raw := append(appendText(nil, fmt.Sprint(i)), make([]byte, 1<<20)...)
		frames = append(frames, packedFrame{storedS2, uint32(len(raw)), s2.Encode(nil, raw)})
	}
	blob := forgePacked(kindManifest, frames...)
	var err error
	n := allocated(func() { _, err = decodeManifest(bytes.NewReader(blob), int64(len(blob)), DefaultName, 1) })
	if !errors.Is(err, ErrCorrupt) || n > manifestMemory(len(blob)) {
		t.Errorf("sections of 1 GiB: %v, %d bytes allocated for %d", err, n, len(blob))
	}
	// A writer does not go that far.
	m := example()
	for i := range 20 {
		m.Sections = append(m.Sections, Section{fmt.Sprint(i), make([]byte, 1<<20)})
	}
	blob, err = m.encode(DefaultName, Zstd)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decodeManifest(bytes.NewReader(blob), int64(len(blob)), DefaultName, 7); err != nil {
		t.Error(err)
	}
}

// Blocks that are not what they should be, although every checksum is right.
func TestObjectsThatCannotBe(t *testing.T) {
	head := []byte("head")
	block := func(kind byte, partition, first, count uint64, rest ...byte) []byte {
		b := binary.AppendUvarint([]byte{kind}, partition)
		return append(binary.AppendUvarint(binary.AppendUvarint(b, first), count), rest...)
	}
	good := block(blockPlain, 1, math.MaxUint64, 3, 1, 2, 3)
	arrived := block(blockArrived, 1, 5, 2, appendInts(nil, []int64{5, 6})...)
	for _, x := range []struct {
		name   string
		blocks [][]byte
		ok     bool
	}{
		{"none", nil, true},
		{"good", [][]byte{good, block(blockPlain, 2, 0, 1, 1), block(blockPlain, 1, 2, 1, 1), block(blockNames, 0, 1, 1, 0)}, true},
		{"arrived", [][]byte{append(arrived, 1, 2)}, true},
		{"twice", [][]byte{good, good}, false},
		{"twice with another content", [][]byte{good, block(blockPlain, 1, math.MaxUint64, 1, 9)}, false},
		{"twice, with and without arrival", [][]byte{block(blockPlain, 1, 5, 1, 9), append(arrived, 1, 2)}, false},
		{"names twice", [][]byte{block(blockNames, 0, 1, 1, 0), block(blockNames, 0, 1, 1, 0)}, false},
		{"empty frame", [][]byte{{}}, false},
		{"unknown kind", [][]byte{block(3, 1, 5, 1, 1)}, false},
		{"no events", [][]byte{block(blockPlain, 1, 5, 0, 1)}, false},
		{"more events than bytes", [][]byte{block(blockPlain, 1, 5, 4, 1, 2, 3)}, false},
		{"too many events", [][]byte{block(blockPlain, 1, 5, maxBlock+1, make([]byte, maxBlock+1)...)}, false},
		{"2^64 events", [][]byte{block(blockPlain, 1, 5, math.MaxUint64, 1)}, false},
		{"partition too great", [][]byte{block(blockPlain, maxPartitions, 5, 1, 1)}, false},
		{"partition of names", [][]byte{block(blockNames, 1, 1, 1, 0)}, false},
		{"names with a byte more", [][]byte{block(blockNames, 0, 1, 1, 0, 0)}, false},
		{"names beyond the end", [][]byte{block(blockNames, 0, 1, 2, 0, 1)}, false},
		{"a name of 2^63 bytes", [][]byte{block(blockNames, 0, 1, 1, binary.AppendUvarint(nil, 1<<63)...)}, false},
		{"arrival without events", [][]byte{arrived}, false},
		{"arrival cut short", [][]byte{arrived[:len(arrived)-1]}, false},
		{"arrival with one event less", [][]byte{append(slices.Clone(arrived), 1)}, false},
	} {
		blob := forgeBlob(kindObject, append([][]byte{head}, x.blocks...)...)
		var b blobReader
		var err error
		n := allocated(func() {
			err = eachFrame(context.Background(), &b, bytes.NewReader(blob), int64(len(blob)), head, func(frame) error { return nil })
		})
		if x.ok && err != nil || !x.ok && !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", x.name, err)
		}
		err = eachFrame(context.Background(), &b, bytes.NewReader(blob), int64(len(blob)), []byte("hand"), func(frame) error { return nil })
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s, and another head: %v, want ErrCorrupt", x.name, err)
		}
		if n > uint64(readTimes*len(blob)+readFree) {
			t.Errorf("%s: %d bytes allocated for %d", x.name, n, len(blob))
		}
	}
}
