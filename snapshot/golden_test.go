package snapshot

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ephemera-go/ephemera/core"
)

// Each folder below testdata/v1 is a place that was written with format version 1, and want.txt beside it says what it
// holds. They stay as they are for ever; a new version of the format gets a folder of its own.
var writeGolden = flag.Bool("golden", false, "write testdata for the present version of the format")

const goldenFolder = "testdata/v1"

type goldenEvent struct {
	ID     uint64    `json:"id"`
	Device string    `json:"device"`
	Value  float64   `json:"value"`
	Level  float32   `json:"level"`
	At     time.Time `json:"at"`
	Note   []byte    `json:"note,omitempty"`
	OK     bool      `json:"ok"`
	Delta  int32     `json:"delta"`
}

func goldenNth(i int) goldenEvent {
	e := goldenEvent{
		ID: math.MaxUint64 - 20 + uint64(i), Device: fmt.Sprintf("device-%d", i*i%7), Value: float64(i%5000) / 8, Level: float32(i%90) / 10,
		At: time.Unix(1_790_000_000, 123_456_789*int64(i)).UTC(), OK: i%3 == 0, Delta: int32(i*i%4001 - 2000),
	}
	switch {
	case i%11 == 0:
		e.Note = []byte(strings.Repeat("ü", i%5+1))
	case i%501 == 500:
		e.Value, e.Level, e.Delta = -math.Pi*1e100, 1e-30, math.MinInt32
	}
	return e
}

func goldenColumns() Codec[goldenEvent] {
	return Columns(
		IntColumn(func(e *goldenEvent) *uint64 { return &e.ID }),
		TextColumn(func(e *goldenEvent) *string { return &e.Device }),
		FloatColumn(func(e *goldenEvent) *float64 { return &e.Value }),
		FloatColumn(func(e *goldenEvent) *float32 { return &e.Level }),
		TimeColumn(func(e *goldenEvent) *time.Time { return &e.At }),
		BytesColumn(func(e *goldenEvent) *[]byte { return &e.Note }),
		BoolColumn(func(e *goldenEvent) *bool { return &e.OK }),
		IntColumn(func(e *goldenEvent) *int32 { return &e.Delta }),
	)
}

func goldenFixed() Codec[goldenEvent] {
	return Fixed("golden", 32, func(b []byte, e *goldenEvent) {
		binary.LittleEndian.PutUint64(b, e.ID)
		binary.LittleEndian.PutUint64(b[8:], math.Float64bits(e.Value))
		binary.LittleEndian.PutUint64(b[16:], uint64(e.At.UnixNano()))
		copy(b[24:32], strings.TrimPrefix(e.Device, "device-"))
	}, func(b []byte, e *goldenEvent) error {
		e.ID = binary.LittleEndian.Uint64(b)
		e.Value = math.Float64frombits(binary.LittleEndian.Uint64(b[8:]))
		e.At = time.Unix(0, int64(binary.LittleEndian.Uint64(b[16:]))).UTC()
		e.Device = "device-" + strings.TrimRight(string(b[24:32]), "\x00")
		return nil
	})
}

// A goldenCase is one place.
type goldenCase struct {
	name    string
	codec   Codec[goldenEvent]
	how     Compression
	events  int  // by the last snapshot
	arrival bool // of events, else they have a time
}

func goldenCases() (list []goldenCase) {
	for _, how := range []Compression{NoCompression, S2, Zstd} {
		events := 200
		if how == NoCompression {
			events = 2000 // more than a group in one block
		}
		list = append(list,
			goldenCase{"columns-" + how.String(), goldenColumns(), how, events, true},
			goldenCase{"fixed-" + how.String(), goldenFixed(), how, 90, false},
			goldenCase{"json-" + how.String(), JSON[goldenEvent](), how, 90, how == NoCompression},
		)
	}
	return list
}

func (c goldenCase) store() core.Options[goldenEvent] {
	o := core.Options[goldenEvent]{
		Capacity: 4 * c.events / 3 &^ 1, Partitions: 2, MaxKeys: 20, Key: func(e goldenEvent) string { return e.Device }, Arrival: c.arrival,
		Size:  func(e *goldenEvent) int { return 50 + len(e.Note) },
		Clock: func() time.Time { return time.Unix(1_790_000_600, 0) }, // so that no event is older than an hour
	}
	if !c.arrival {
		o.Time = func(e *goldenEvent) time.Time { return e.At }
	}
	return o
}

func (c goldenCase) options() Options[goldenEvent] {
	taken := time.Date(2026, 9, 20, 1, 2, 3, 4, time.UTC)
	return Options[goldenEvent]{
		Codec: c.codec, Compression: c.how, Schema: 3, Manual: true, MaxConcurrent: 1, NoLease: true,
		Clock: func() time.Time { taken = taken.Add(time.Minute); return taken },
	}
}

// write makes the place: three snapshots, of which the second and third share objects with those before; the last one is
// final and was opened.
func (c goldenCase) write(t *testing.T) *shelf {
	ctx := context.Background()
	place := &shelf{map[string][]byte{}}
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(ctx, place, c.store(), c.options())
	check(err)
	check(s.store.Close())
	o := c.store()
	now := time.Unix(1_790_000_000, 0)
	o.Epoch, o.StartAt, o.Clock = core.Epoch{0xe, 15: 0xf}, []uint64{7, math.MaxUint64 - 100}, func() time.Time { now = now.Add(1234 * time.Microsecond); return now }
	s.store, err = core.New(o)
	check(err)
	s.writer = "0123456789abcdef"
	s.lineage = []Ancestor{{core.Epoch{1}, nil}, {core.Epoch{2}, []AncestorHorizon{{0, 7}, {1, math.MaxUint64 - 100}}}}
	check(s.Attach(&goldenPart{}))
	rollup, err := core.NewRollup(s.store, core.Summaries(func(e *goldenEvent) float64 { return e.Value }), core.RollupOptions{Name: "values", Retain: 1000 * time.Hour})
	check(err)
	check(AttachRollup(s, rollup))
	added, err := s.store.AddPartition(core.PartitionOptions{Capacity: 10, MaxAge: time.Hour, MaxBytes: 1000, StartAt: 1000})
	check(err)
	for i := range c.events {
		e := goldenNth(i)
		_, err := s.store.Keys().Intern(e.Device)
		check(err)
		_, err = s.store.Append(e)
		check(err)
		if i%10 == 0 {
			_, err = s.store.AppendTo(added, e)
			check(err)
		}
		if i == c.events/10 || i == c.events-20 {
			check(s.Save(ctx))
		}
	}
	check(s.store.Purge(time.Unix(1_790_000_000, 100_000_000)))
	check(s.store.Settle(ctx))
	check(s.Close())
	m, err := readManifest(ctx, place, DefaultName, 3)
	check(err)
	so := c.options()
	so.setDefaults()
	check((&restorer[goldenEvent]{blobs: place, o: &so, writer: "fedcba9876543210"}).mark(ctx, m))
	return place
}

type goldenPart struct{ loaded []byte }

func (p *goldenPart) SectionName() string { return "part" }

func (p *goldenPart) SaveSection(saved func(int) (first, next uint64)) ([]byte, error) {
	_, next := saved(0)
	return append(bytes.Repeat([]byte("section "), 20), fmt.Sprint(next)...), nil
}

func (p *goldenPart) LoadSection(data []byte) error { p.loaded = data; return nil }

// describe loads every snapshot of a place and tells all that it holds.
func (c goldenCase) describe(t *testing.T, place *shelf) string {
	ctx := context.Background()
	v, err := Verify(ctx, place, DefaultName, nil)
	if err != nil || len(v.Unused)+len(v.Foreign) > 0 {
		t.Fatalf("%+v, %v", v, err)
	}
	var b strings.Builder
	for _, s := range v.Snapshots {
		m := *s.Manifest
		m.Objects, m.Keys.Blocks = nil, nil
		for i := range m.Partitions {
			m.Partitions[i].Blocks = nil
		}
		about, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "snapshot %d: %s\n", s.Ordinal, about)
		o := c.options()
		o.Restore.Ordinal = s.Ordinal
		store, _, err := Load(ctx, place, c.store(), o)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "keys %q, purged before %v\n", store.Keys().Names(), store.PurgedBefore())
		cut := store.Cut()
		for _, number := range cut.PartitionNumbers() {
			limits, err := store.Limits(number)
			if err != nil {
				t.Fatal(err)
			}
			first, next, err := cut.Bounds(number)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "partition %d [%d,%d) %+v\n", number, first, next, limits)
			for x := range cut.Blocks(number, first) {
				for i, e := range x.Events {
					if seq := x.First + uint64(i); s.Ordinal < 3 && seq != first && seq != next-1 {
						continue
					}
					arrived := int64(0)
					if x.Arrived != nil {
						arrived = x.Arrived[i]
					}
					fmt.Fprintf(&b, "%d %d %d %q %x %x %v %q %v %d\n", x.First+uint64(i), arrived, e.ID, e.Device, math.Float64bits(e.Value),
						math.Float32bits(e.Level), e.At, e.Note, e.OK, e.Delta)
				}
			}
		}
		cut.Close()
		_ = store.Close()
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	for _, c := range goldenCases() {
		t.Run(c.name, func(t *testing.T) {
			folder := filepath.Join(goldenFolder, c.name)
			if *writeGolden {
				c.store1(t, folder)
			}
			place, want := &shelf{map[string][]byte{}}, ""
			err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				data, err := os.ReadFile(path)
				name, _ := filepath.Rel(folder, path)
				if name == "want.txt" {
					want = string(data)
				} else {
					place.blobs[filepath.ToSlash(name)] = data
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(c.describe(t, place), "\n")); diff != "" {
				t.Error(diff)
			}
			for ordinal := uint64(1); ordinal <= 3; ordinal++ {
				c.rewrite(t, place, ordinal)
			}
			// The sections go where they belong.
			delete(place.blobs, openedName(DefaultName, 3))
			s, err := Open(context.Background(), place, c.store(), c.options())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			if s.Report().NewEpoch || s.Report().Epoch != (core.Epoch{0xe, 15: 0xf}) {
				t.Errorf("%+v", s.Report())
			}
			part := &goldenPart{}
			rollup, err := core.NewRollup(s.store, core.Summaries(func(e *goldenEvent) float64 { return e.Value }), core.RollupOptions{Name: "values", Retain: 1 << 62})
			if err == nil {
				err = s.Attach(part)
			}
			if err == nil {
				err = AttachRollup(s, rollup)
			}
			if err != nil || len(part.loaded) < 160 {
				t.Errorf("section of %d bytes: %v", len(part.loaded), err)
			}
		})
	}
}

// store1 writes a golden case to files.
func (c goldenCase) store1(t *testing.T, folder string) {
	place := c.write(t)
	for name, data := range place.blobs {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, "want.txt"), []byte(c.describe(t, place)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// rewrite encodes what a snapshot's blobs hold. What comes out is the same, byte by byte but for what compression makes of
// it.
func (c goldenCase) rewrite(t *testing.T, place *shelf, ordinal uint64) {
	ctx := context.Background()
	m, err := readManifest(ctx, place, DefaultName, ordinal)
	if err != nil {
		t.Fatal(err)
	}
	blob, err := m.encode(DefaultName, c.how)
	if err != nil {
		t.Fatal(err)
	}
	back, err := decodeManifest(bytes.NewReader(blob), int64(len(blob)), DefaultName, ordinal)
	if diff := cmp.Diff(m, back); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if c.how == NoCompression && !bytes.Equal(blob, place.blobs[manifestName(DefaultName, ordinal)]) {
		t.Errorf("manifest %d is written otherwise today", ordinal)
	}
	most := 0
	for i := range m.Objects {
		o := &m.Objects[i]
		was := place.blobs[o.Name]
		again := newBlobWriter(kindObject, c.how)
		frames := [][]byte{objectHead(o.Name, o.Epoch, m.Codec, m.Schema)}
		var b blobReader
		err := eachFrame(ctx, &b, bytes.NewReader(was), int64(len(was)), frames[0], func(f frame) error {
			frames = append(frames, c.frame(t, f))
			most = max(most, f.count)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.open(bytes.NewReader(was), int64(len(was)), kindObject); err != nil {
			t.Fatal(err)
		}
		for j, f := range frames {
			if raw, _, err := b.next(); err != nil || !bytes.Equal(raw, f) {
				t.Errorf("frame %d of %s is written otherwise today: %v", j, o.Name, err)
			}
			if _, err := again.add(f); err != nil {
				t.Fatal(err)
			}
		}
		if c.how == NoCompression && !bytes.Equal(again.finish(), was) {
			t.Errorf("%s is written otherwise today", o.Name)
		}
		b.close()
	}
	if c.events > groupSize && ordinal == 3 && most <= groupSize {
		t.Errorf("no block of more than %d events", most)
	}
}

// frame writes a block anew.
func (c goldenCase) frame(t *testing.T, f frame) []byte {
	if f.kind == blockNames {
		return appendNames(nil, f.first, f.names)
	}
	events, err := c.codec.Decode(nil, f.events, f.count)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := appendEvents(nil, c.codec, f.partition, f.first, events, f.arrived)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// The golden places hold what they should: else they would prove little.
func TestGoldenFilesHoldEverything(t *testing.T) {
	names := slices.Sorted(maps.Keys(func() map[string]bool {
		m := map[string]bool{}
		for _, c := range goldenCases() {
			m[c.name] = true
		}
		return m
	}()))
	list, err := os.ReadDir(goldenFolder)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, d := range list {
		found = append(found, d.Name())
	}
	if diff := cmp.Diff(names, found); diff != "" {
		t.Error(diff)
	}
	for _, name := range names {
		want, err := os.ReadFile(filepath.Join(goldenFolder, name, "want.txt"))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(want), "\n"); n < 50 {
			t.Errorf("%s has %d lines", name, n)
		}
		for _, part := range []string{
			"\nsnapshot 2:", "\nsnapshot 3:", `"final":true`, `"lineage":[{"epoch":"01`, `"name":"part"`, `"name":"rollup:values"`, "\npartition 2 [10",
			"partition 1 [184467440737", "\nkeys [\"device-0\" ", `"schema":3`,
		} {
			if !strings.Contains(string(want), part) {
				t.Errorf("%s holds no %q", name, part)
			}
		}
	}
}
