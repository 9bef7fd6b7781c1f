package snapshot_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// A reader of snapshots that shares no code with the package. It is written from docs/formats/snapshot.md alone and reads the
// golden files.

type stranger struct{ rest []byte }

func (s *stranger) bytes(n int) []byte {
	b := s.rest[:n]
	s.rest = s.rest[n:]
	return b
}

func (s *stranger) uvarint() uint64 {
	v, n := binary.Uvarint(s.rest)
	s.rest = s.rest[n:]
	return v
}

func (s *stranger) varint() int64 {
	v, n := binary.Varint(s.rest)
	s.rest = s.rest[n:]
	return v
}

func (s *stranger) text() string { return string(s.bytes(int(s.uvarint()))) }

func (s *stranger) time() time.Time {
	sec := s.varint()
	return time.Unix(sec, int64(s.uvarint())).UTC()
}

type strangeBlock struct {
	first, count, object uint64
	sum                  uint32
}

func (s *stranger) blocks(base uint64) (list []strangeBlock) {
	n := s.uvarint()
	if n == 0 {
		return nil
	}
	at := base - s.uvarint()
	for range n {
		b := strangeBlock{first: at, count: s.uvarint(), object: s.uvarint()}
		b.sum = binary.LittleEndian.Uint32(s.bytes(4))
		list, at = append(list, b), at+b.count
	}
	return list
}

// numbers reads groups of 1,024.
func (s *stranger) numbers(n int) (list []int64) {
	for ; n > 0; n -= 1024 {
		list = append(list, s.group(min(n, 1024))...)
	}
	return list
}

func (s *stranger) group(n int) (list []int64) {
	way := s.bytes(1)[0]
	base, last := s.varint(), int64(0)
	if way >= 16 {
		last = s.varint()
	}
	for range n {
		var above uint64
		if width := int(way & 15); width == 0 {
			above = s.uvarint()
		} else {
			for i, x := range s.bytes(width) {
				above |= uint64(x) << (8 * i)
			}
		}
		if x := base + int64(above); way >= 16 {
			last += x
		} else {
			last = x
		}
		list = append(list, last)
	}
	return list
}

// frames checks a blob and unpacks its frames; the sums are those that manifests name.
func strangeFrames(t *testing.T, name string, blob []byte) (raws [][]byte, sums []uint32) {
	table := crc32.MakeTable(crc32.Castagnoli)
	if string(blob[:4]) != "ephs" || binary.LittleEndian.Uint16(blob[4:]) != 1 || binary.LittleEndian.Uint64(blob[8:]) != uint64(len(blob)) ||
		binary.LittleEndian.Uint32(blob[16:]) != crc32.Checksum(blob[:16], table) {
		t.Fatalf("%s: head", name)
	}
	var covered []byte
	for rest := blob[20:]; len(rest) > 0; {
		s, r := int(binary.LittleEndian.Uint32(rest)), int(binary.LittleEndian.Uint32(rest[4:]))
		covered = append(covered, rest[:9+s]...)
		sum := binary.LittleEndian.Uint32(rest[9+s:])
		raw := rest[9 : 9+s]
		var err error
		switch rest[8] {
		case 1:
			raw, err = s2.Decode(nil, raw)
		case 2:
			var z *zstd.Decoder
			if z, err = zstd.NewReader(nil); err == nil {
				raw, err = z.DecodeAll(raw, nil)
				z.Close()
			}
		}
		if err != nil || len(raw) != r || sum != crc32.Checksum(covered, table) {
			t.Fatalf("%s: frame %d: %d bytes, %v", name, len(raws), len(raw), err)
		}
		raws, sums, rest = append(raws, raw), append(sums, sum), rest[9+s+4:]
	}
	if first := (&stranger{raws[0]}).text(); first != name {
		t.Fatalf("%s says that it is %s", name, first)
	}
	return raws, sums
}

type strangeEvent struct {
	ID     uint64
	Device string
	Value  float64
	Level  float32
	At     time.Time
	Note   []byte
	OK     bool
	Delta  int32
}

func (s *stranger) floats(n int) (list []float64) {
	d := s.bytes(1)[0]
	for _, x := range s.numbers(n) {
		if d == 255 {
			list = append(list, math.Float64frombits(uint64(x)))
		} else {
			list = append(list, float64(x)/math.Pow10(int(d)))
		}
	}
	return list
}

func (s *stranger) singles(n int) (list []float32) {
	d := s.bytes(1)[0]
	for _, x := range s.numbers(n) {
		if d == 255 {
			list = append(list, math.Float32frombits(uint32(x)))
		} else {
			list = append(list, float32(float64(x)/math.Pow10(int(d))))
		}
	}
	return list
}

func (s *stranger) times(n int) (list []time.Time) {
	both := s.bytes(1)[0] == 1
	first := s.numbers(n)
	if !both {
		for _, x := range first {
			list = append(list, time.Unix(0, x).UTC())
		}
		return list
	}
	for i, x := range s.numbers(n) {
		list = append(list, time.Unix(first[i], x).UTC())
	}
	return list
}

func (s *stranger) strings(n int) (list [][]byte) {
	for _, x := range s.numbers(n) {
		list = append(list, make([]byte, max(x, 0)))
	}
	for _, b := range list {
		copy(b, s.bytes(len(b)))
	}
	return list
}

func (s *stranger) events(codec string, n int) (list []strangeEvent) {
	switch {
	case codec == "json":
		for line := range bytes.Lines(s.rest) {
			var e strangeEvent
			if err := json.Unmarshal(line, &e); err != nil {
				panic(err)
			}
			list = append(list, e)
		}
		s.rest = nil
	case codec == "golden":
		for range n {
			b := s.bytes(32)
			list = append(list, strangeEvent{
				ID: binary.LittleEndian.Uint64(b), Value: math.Float64frombits(binary.LittleEndian.Uint64(b[8:])),
				At: time.Unix(0, int64(binary.LittleEndian.Uint64(b[16:]))).UTC(), Device: "device-" + strings.TrimRight(string(b[24:]), "\x00"),
			})
		}
	case codec == "columns(int,text,float64,float32,time,bytes,bool,int)":
		for ; n > 0; n -= 1024 {
			g := make([]strangeEvent, min(n, 1024))
			ids, devices, values, levels := s.numbers(len(g)), s.strings(len(g)), s.floats(len(g)), s.singles(len(g))
			times, notes, oks, deltas := s.times(len(g)), s.strings(len(g)), s.bytes(len(g)), []int64(nil)
			deltas = s.numbers(len(g))
			for i := range g {
				g[i] = strangeEvent{uint64(ids[i]), string(devices[i]), values[i], levels[i], times[i], notes[i], oks[i] == 1, int32(deltas[i])}
			}
			list = append(list, g...)
		}
	}
	return list
}

func TestAStrangerReadsTheGoldenFiles(t *testing.T) {
	folders, err := filepath.Glob("testdata/v1/*")
	if err != nil || len(folders) < 9 {
		t.Fatal(folders, err)
	}
	for _, folder := range folders {
		for ordinal := 1; ordinal <= 3; ordinal++ {
			t.Run(fmt.Sprint(filepath.Base(folder), " ", ordinal), func(t *testing.T) { strangeSnapshot(t, folder, uint64(ordinal)) })
		}
	}
}

func strangeSnapshot(t *testing.T, folder string, ordinal uint64) {
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	name := fmt.Sprintf("store/manifests/%016x", ordinal)
	frames, _ := strangeFrames(t, name, read(name))
	s := &stranger{frames[0]}
	_ = s.text()
	if got := s.uvarint(); got != ordinal {
		t.Fatalf("ordinal %d", got)
	}
	epoch, taken, final := s.bytes(16), s.time(), s.bytes(1)[0] == 1
	writer, codec, schema := s.text(), s.text(), s.uvarint()
	fixed, lanes, keyed, arrival := s.uvarint(), s.uvarint(), s.bytes(1)[0] == 1, s.bytes(1)[0] == 1
	purged := s.time()
	var ledger []uint64
	for range 11 {
		ledger = append(ledger, s.uvarint())
	}
	sections := s.uvarint()
	about := fmt.Sprintf(`{"ordinal":%d,"epoch":"%x","takenAt":"%s","final":%v,"writer":"%s","codec":"%s","schema":%d,`+
		`"layout":{"Fixed":%d,"Lanes":%d,"Keyed":%v,"Arrival":%v},"ledger":{"Appended":%d,`, ordinal, epoch, taken.Format(time.RFC3339Nano), final, writer,
		codec, schema, fixed, lanes, keyed, arrival, ledger[0])
	if len(s.rest) > 0 || len(frames) != 4+int(sections) {
		t.Errorf("%d frames, %d bytes left over in the first", len(frames), len(s.rest))
	}

	type part struct {
		number, first, count, capacity, age, bytes uint64
		blocks                                     []strangeBlock
	}
	s = &stranger{frames[1]}
	var parts []part
	last := uint64(math.MaxUint64)
	for range s.uvarint() {
		p := part{number: last + 1 + s.uvarint(), first: s.uvarint(), count: s.uvarint(), capacity: s.uvarint(), age: s.uvarint(), bytes: s.uvarint()}
		p.blocks = s.blocks(p.first)
		parts, last = append(parts, p), p.number
	}
	keys := s.uvarint()
	keyBlocks := s.blocks(1)

	s = &stranger{frames[2]}
	type frame struct {
		sum                    uint32
		kind                   byte
		partition, first, size uint64
		rest                   []byte
	}
	var objects [][]frame
	for range s.uvarint() {
		object, size := s.text(), s.uvarint()
		owner := s.bytes(16)
		blob := read(object)
		raws, sums := strangeFrames(t, object, blob)
		h := &stranger{raws[0]}
		_ = h.text()
		if !bytes.Equal(h.bytes(16), owner) || h.text() != codec || h.uvarint() != schema || len(h.rest) > 0 || size != uint64(len(blob)) {
			t.Errorf("%s is not what the manifest says", object)
		}
		var list []frame
		for i, raw := range raws[1:] {
			x := &stranger{raw}
			f := frame{sum: sums[i+1], kind: x.bytes(1)[0], partition: x.uvarint(), first: x.uvarint(), size: x.uvarint()}
			f.rest = x.rest
			list = append(list, f)
		}
		objects = append(objects, list)
	}
	find := func(b strangeBlock, names bool, partition uint64) frame {
		i := slices.IndexFunc(objects[b.object], func(f frame) bool {
			return f.kind == 2 == names && f.partition == partition && f.first == b.first
		})
		if i < 0 || objects[b.object][i].sum != b.sum || objects[b.object][i].size != b.count {
			t.Fatalf("block %+v of partition %d is not there", b, partition)
		}
		return objects[b.object][i]
	}

	var out []string
	var names []string
	for _, b := range keyBlocks {
		x := &stranger{find(b, true, 0).rest}
		for range b.count {
			names = append(names, x.text())
		}
	}
	if uint64(len(names)) != keys {
		t.Errorf("%d names, want %d", len(names), keys)
	}
	out = append(out, fmt.Sprintf("keys %q, purged before %v", names, purged))
	for _, p := range parts {
		out = append(out, fmt.Sprintf("partition %d [%d,%d) {Capacity:%d MaxAge:%v MaxBytes:%d StartAt:%d}", p.number, p.first, p.first+p.count, p.capacity,
			time.Duration(p.age), p.bytes, p.first))
		for _, b := range p.blocks {
			f := find(b, false, p.number)
			x := &stranger{f.rest}
			arrived := make([]int64, b.count)
			if f.kind == 1 {
				arrived = x.numbers(int(b.count))
			}
			for i, e := range x.events(codec, int(b.count)) {
				seq := b.first + uint64(i)
				if at := seq - p.first; at >= p.count || ordinal < 3 && at > 0 && at != p.count-1 {
					continue
				}
				out = append(out, fmt.Sprintf("%d %d %d %q %x %x %v %q %v %d", seq, arrived[i], e.ID, e.Device, math.Float64bits(e.Value),
					math.Float32bits(e.Level), e.At, e.Note, e.OK, e.Delta))
			}
			if len(x.rest) > 0 {
				t.Errorf("%d bytes left over", len(x.rest))
			}
		}
	}

	_, want, _ := strings.Cut(string(read("want.txt")), fmt.Sprintf("snapshot %d: ", ordinal))
	want, _, _ = strings.Cut(want, "\nsnapshot ")
	head, lines, _ := strings.Cut(strings.TrimSuffix(want, "\n"), "\n")
	if !strings.HasPrefix(head, about) {
		t.Errorf("%s\nwant\n%s", about, head)
	}
	if diff := cmp.Diff(strings.Split(lines, "\n"), out); diff != "" {
		t.Error(diff)
	}
}
