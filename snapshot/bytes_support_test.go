package snapshot

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
)

// shelf is a blob store whose blobs a test can change.
type shelf struct{ blobs map[string][]byte }

func (s *shelf) Put(_ context.Context, name string, _ int64, r io.Reader) error {
	if _, taken := s.blobs[name]; taken {
		return sinks.ErrExists
	}
	b, err := io.ReadAll(r)
	if err == nil {
		s.blobs[name] = b
	}
	return err
}

func (s *shelf) Open(_ context.Context, name string) (io.ReadCloser, int64, error) {
	b, ok := s.blobs[name]
	if !ok {
		return nil, 0, sinks.ErrNotFound
	}
	return io.NopCloser(bytes.NewReader(b)), int64(len(b)), nil
}

func (s *shelf) List(_ context.Context, prefix, after string, limit int) (list []sinks.Blob, err error) {
	for _, name := range slices.Sorted(maps.Keys(s.blobs)) {
		if strings.HasPrefix(name, prefix) && name > after && (limit == 0 || len(list) < limit) {
			list = append(list, sinks.Blob{Name: name, Size: int64(len(s.blobs[name]))})
		}
	}
	return list, nil
}

func (s *shelf) Delete(_ context.Context, name string) error { delete(s.blobs, name); return nil }
func (s *shelf) Close() error                                { return nil }

// The kinds of fields that columns are for, by types of the language and of a program.
type (
	celsius  float32
	metres   float64
	label    string
	payload  []byte
	switched bool
	port     uint16
)

type kinds struct {
	I   int
	I8  int8
	I16 int16
	I32 int32
	I64 int64
	U   uint
	U8  uint8
	U16 uint16
	U32 uint32
	U64 uint64
	Up  uintptr
	P   port
	F32 float32
	F64 float64
	C   celsius
	M   metres
	At  time.Time
	S   string
	L   label
	B   []byte
	Pay payload
	OK  bool
	Fl  switched
}

func kindsColumns() Codec[kinds] {
	return Columns(
		IntColumn(func(e *kinds) *int { return &e.I }),
		IntColumn(func(e *kinds) *int8 { return &e.I8 }),
		IntColumn(func(e *kinds) *int16 { return &e.I16 }),
		IntColumn(func(e *kinds) *int32 { return &e.I32 }),
		IntColumn(func(e *kinds) *int64 { return &e.I64 }),
		IntColumn(func(e *kinds) *uint { return &e.U }),
		IntColumn(func(e *kinds) *uint8 { return &e.U8 }),
		IntColumn(func(e *kinds) *uint16 { return &e.U16 }),
		IntColumn(func(e *kinds) *uint32 { return &e.U32 }),
		IntColumn(func(e *kinds) *uint64 { return &e.U64 }),
		IntColumn(func(e *kinds) *uintptr { return &e.Up }),
		IntColumn(func(e *kinds) *port { return &e.P }),
		FloatColumn(func(e *kinds) *float32 { return &e.F32 }),
		FloatColumn(func(e *kinds) *float64 { return &e.F64 }),
		FloatColumn(func(e *kinds) *celsius { return &e.C }),
		FloatColumn(func(e *kinds) *metres { return &e.M }),
		TimeColumn(func(e *kinds) *time.Time { return &e.At }),
		TextColumn(func(e *kinds) *string { return &e.S }),
		TextColumn(func(e *kinds) *label { return &e.L }),
		BytesColumn(func(e *kinds) *[]byte { return &e.B }),
		BytesColumn(func(e *kinds) *payload { return &e.Pay }),
		BoolColumn(func(e *kinds) *bool { return &e.OK }),
		BoolColumn(func(e *kinds) *switched { return &e.Fl }),
	)
}

// exact prints an event so that two are the same only if every bit is, but for what a NaN of 32 bits carries.
func (e kinds) exact() string {
	single := func(f float32) string {
		if f != f {
			return "NaN"
		}
		return fmt.Sprintf("%#x", math.Float32bits(f))
	}
	return fmt.Sprint(e.I, e.I8, e.I16, e.I32, e.I64, e.U, e.U8, e.U16, e.U32, e.U64, e.Up, e.P) +
		fmt.Sprintf(" %s %#x %s %#x", single(e.F32), math.Float64bits(e.F64), single(float32(e.C)), math.Float64bits(float64(e.M))) +
		fmt.Sprintf(" %d.%09d %v %q %q %#v %#v %v %v", e.At.Unix(), e.At.Nanosecond(), e.At.Location(), e.S, e.L, e.B, e.Pay, e.OK, e.Fl)
}

// wild returns events whose fields stand at borders often. Some groups are alike in a field, some grow steadily.
func wild(r *rand.Rand, n int) []kinds {
	list := make([]kinds, n)
	style := r.IntN(4)
	for i := range list {
		list[i] = wildOne(r, i, style)
	}
	return list
}

func wildOne(r *rand.Rand, i, style int) kinds {
	integer := func() int64 {
		switch style {
		case 0:
			return int64(i) * 1000
		case 1:
			return int64(r.IntN(300))
		case 2:
			if r.IntN(50) > 0 {
				return int64(r.IntN(3))
			}
		}
		return oneOf(r, 0, 1, -1, math.MaxInt8, math.MinInt8, math.MaxUint8, math.MaxInt16, math.MinInt16, math.MaxUint16,
			math.MaxInt32, math.MinInt32, math.MaxUint32, math.MaxInt64, math.MinInt64, int64(r.Uint64()))
	}
	float := func() float64 {
		switch style {
		case 0:
			return float64(r.IntN(100_000)) / 100
		case 1:
			return r.NormFloat64()
		case 2:
			if r.IntN(500) > 0 {
				return float64(r.IntN(1000)-500) / oneOf(r, 1.0, 10, 1000)
			}
		}
		return oneOf(r, 0, math.Copysign(0, -1), 1, -0.1, 0.000001, 1e-7, 5e-324, -2.2250738585072009e-308, math.MaxFloat64, math.Inf(1),
			math.Inf(-1), math.NaN(), math.Float64frombits(0x7ff8dead0000beef), math.Float64frombits(0xfff0000000000001),
			1<<52, 1<<53, 1<<53+2, -(1 << 53), 1<<63, -(1 << 63), 1e300, math.Float64frombits(r.Uint64()), 9007199254740991)
	}
	single := func() float32 {
		return oneOf(r, float32(float()), 0.1, math.MaxFloat32, math.SmallestNonzeroFloat32, math.Float32frombits(r.Uint32()))
	}
	text := func() string {
		return oneOf(r, "", "a", "grün", "\xff\xfe invalid", "a\nb\r\n", "\x00", strings.Repeat("long ", r.IntN(30)), fmt.Sprint("key", r.IntN(50)))
	}
	data := func() []byte { return oneOf(r, nil, []byte{}, []byte{0}, []byte(text())) }
	when := func() time.Time {
		if style < 2 {
			return time.Unix(1_790_000_000, int64(i)*1_000_000+r.Int64N(1000)).UTC()
		}
		return oneOf(r, time.Time{}, time.Unix(0, 0).UTC(), time.Unix(math.MinInt64, 0).UTC(), time.Unix(math.MaxInt64, 999_999_999).UTC(),
			time.Unix(0, math.MaxInt64).UTC(), time.Unix(0, math.MinInt64).UTC(), time.Unix(firstNano, 0).UTC(), time.Unix(lastNano, 1).UTC(),
			time.Unix(-1, 999_999_999).UTC(), time.Unix(int64(r.Uint64()), r.Int64N(1e9)).UTC())
	}
	return kinds{
		int(integer()), int8(integer()), int16(integer()), int32(integer()), integer(), uint(integer()), uint8(integer()), uint16(integer()),
		uint32(integer()), uint64(integer()), uintptr(integer()), port(integer()), single(), float(), celsius(single()), metres(float()),
		when(), text(), label(text()), data(), payload(data()), r.IntN(2) == 0, switched(r.IntN(10) == 0),
	}
}

func oneOf[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// forgeBlob makes a blob of frames that are stored as they are, with every checksum right.
func forgeBlob(kind byte, frames ...[]byte) []byte {
	w := newBlobWriter(kind, NoCompression)
	for _, f := range frames {
		if _, err := w.add(f); err != nil {
			panic(err)
		}
	}
	return slices.Clone(w.finish())
}

// A packed frame is one as it stands in a blob.
type packedFrame struct {
	method byte
	raw    uint32 // bytes that it says it holds
	stored []byte
}

// forgePacked makes a blob of frames that may lie about what they hold, with every checksum right.
func forgePacked(kind byte, frames ...packedFrame) []byte {
	b := append(make([]byte, 0, 1024), magic...)
	b = binary.LittleEndian.AppendUint16(b, formatVersion)
	b = append(b, kind, 0)
	b = append(b, make([]byte, 12)...)
	sum := uint32(0)
	for _, f := range frames {
		at := len(b)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(f.stored)))
		b = binary.LittleEndian.AppendUint32(b, f.raw)
		b = append(append(b, f.method), f.stored...)
		sum = crc32.Update(sum, castagnoli, b[at:])
		b = binary.LittleEndian.AppendUint32(b, sum)
	}
	return sealHead(b)
}

// sealHead makes the head of a blob fit what follows it.
func sealHead(b []byte) []byte {
	binary.LittleEndian.PutUint64(b[8:], uint64(len(b)))
	return resumHead(b)
}

// resumHead makes the checksum of a head right, whatever it says.
func resumHead(b []byte) []byte {
	binary.LittleEndian.PutUint32(b[16:], crc32.Checksum(b[:16], castagnoli))
	return b
}

// splitFrames returns where the frames of a blob begin and end.
func splitFrames(b []byte) (ranges [][2]int) {
	for at := headBytes; at < len(b); {
		end := at + frameHead + int(binary.LittleEndian.Uint32(b[at:])) + frameTail
		ranges = append(ranges, [2]int{at, end})
		at = end
	}
	return ranges
}

// allocated returns how many bytes f allocates, in one of its best runs: what other goroutines allocate meanwhile counts too.
func allocated(f func()) uint64 {
	best := uint64(math.MaxUint64)
	for range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		best = min(best, after.TotalAlloc-before.TotalAlloc)
	}
	return best
}

// loadAll restores a store in memory and returns its events in order.
func loadAll[E any](tb testing.TB, blobs sinks.BlobStore, o core.Options[E], so Options[E]) ([]E, error) {
	tb.Helper()
	s, _, err := Load(context.Background(), blobs, o, so)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.Close() }()
	cut := s.Cut()
	defer cut.Close()
	var list []E
	for _, e := range cut.All() {
		list = append(list, *e)
	}
	return list, nil
}
