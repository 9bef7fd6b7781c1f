package snapshot

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/faultstore"
	"github.com/ephemera-go/ephemera/sinks/memstore"
)

// trade is the event of the tests of Saver.
type trade struct {
	Key string
	N   int
	At  time.Time
}

func tradeKey(e trade) string      { return e.Key }
func tradeTime(e *trade) time.Time { return e.At }

func tradeColumns() Codec[trade] {
	return Columns(
		TextColumn(func(e *trade) *string { return &e.Key }),
		IntColumn(func(e *trade) *int { return &e.N }),
		TimeColumn(func(e *trade) *time.Time { return &e.At }),
	)
}

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// nth is the n-th event of a test: a second after the one before it, of one of seven keys.
func nth(n int) trade {
	return trade{Key: fmt.Sprintf("k%d", n%7), N: n, At: noon.Add(time.Duration(n) * time.Second)}
}

// handClock is moved by the test.
type handClock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *handClock { return &handClock{t: noon} }

func (c *handClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *handClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// place keeps blobs from one start of a program to the next. Each handle is a process of its own.
type place struct{ memstore.Space }

func (p *place) handle(t testing.TB) sinks.BlobStore {
	t.Helper()
	blobs := p.OpenBlobs()
	t.Cleanup(func() { _ = blobs.Close() })
	return blobs
}

func (p *place) faulty(t testing.TB, rules string) (sinks.BlobStore, *faultstore.Plan) {
	t.Helper()
	plan, err := faultstore.Parse(rules)
	must(t, err)
	blobs := faultstore.Blobs(p.OpenBlobs(), plan)
	t.Cleanup(func() { _ = blobs.Close() })
	return blobs, plan
}

// names returns the names of all blobs with a prefix.
func (p *place) names(t testing.TB, prefix string) []string {
	t.Helper()
	list, err := p.handle(t).List(context.Background(), prefix, "", 0)
	must(t, err)
	var names []string
	for _, b := range list {
		names = append(names, b.Name)
	}
	return names
}

// manifests returns all manifests, oldest first; all of them must be whole.
func (p *place) manifests(t testing.TB, name string) []*Manifest {
	t.Helper()
	v, err := Verify(context.Background(), p.handle(t), name, nil)
	must(t, err)
	var list []*Manifest
	for _, s := range v.Snapshots {
		list = append(list, s.Manifest)
	}
	return list
}

func (p *place) newest(t testing.TB) *Manifest {
	t.Helper()
	list := p.manifests(t, DefaultName)
	if len(list) == 0 {
		t.Fatal("there is no snapshot")
	}
	return list[len(list)-1]
}

// tear cuts a blob in half.
func (p *place) tear(t testing.TB, name string) {
	t.Helper()
	p.alter(t, name, func(b []byte) []byte { return b[:len(b)/2] })
}

// alter puts other bytes into the place of a blob.
func (p *place) alter(t testing.TB, name string, change func([]byte) []byte) {
	t.Helper()
	ctx, blobs := context.Background(), p.OpenBlobs()
	defer func() { must(t, blobs.Close()) }()
	c := copier{}
	data, err := c.fetch(ctx, blobs, name)
	must(t, err)
	must(t, blobs.Delete(ctx, name))
	putBlob(t, blobs, name, change(slices.Clone(data)))
}

// newer makes a blob of a newer version of one.
func newer(b []byte) []byte {
	binary.LittleEndian.PutUint16(b[4:], formatVersion+1)
	binary.LittleEndian.PutUint32(b[16:], crc32.Checksum(b[:16], castagnoli))
	return b
}

func putBlob(t testing.TB, blobs sinks.BlobStore, name string, data []byte) {
	t.Helper()
	p := putter{blobs: blobs, attempts: 1}
	_, err := p.put(context.Background(), nil, name, data)
	must(t, err)
}

// manual are options for a test that calls Save itself.
func manual() Options[trade] {
	return Options[trade]{Codec: tradeColumns(), Manual: true, Clock: newClock().now, Backoff: Backoff{Base: time.Microsecond, Max: time.Microsecond}}
}

// one are options for a store of one partition with room for everything.
func one() core.Options[trade] { return core.Options[trade]{Capacity: 1 << 20, Time: tradeTime} }

// keyed are options for a store of partitions by key.
func keyed(partitions int) core.Options[trade] {
	return core.Options[trade]{Capacity: partitions << 16, Partitions: partitions, Key: tradeKey, Time: tradeTime}
}

// open makes a Saver that is closed at the end of the test.
func open(t testing.TB, blobs sinks.BlobStore, store core.Options[trade], o Options[trade]) *Saver[trade] {
	t.Helper()
	s, err := Open(context.Background(), blobs, store, o)
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// crash ends a Saver as the end of its process does: it saves nothing, and its lease is free.
func crash(t testing.TB, s *Saver[trade]) {
	t.Helper()
	_ = s.store.Close()
	_ = s.blobs.Close()
}

func fill(t testing.TB, s *core.Store[trade], from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		_, err := s.Append(nth(n))
		must(t, err)
	}
}

func fillPartition(t testing.TB, s *core.Store[trade], partition, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		_, err := s.AppendTo(partition, nth(n))
		must(t, err)
	}
}

func save(t testing.TB, s *Saver[trade]) {
	t.Helper()
	must(t, s.Save(context.Background()))
}

// An entry is an event and where it stands.
type entry struct {
	Partition int
	Sequence  uint64
	Event     trade
}

// content returns what a store shows.
func content(t testing.TB, s *core.Store[trade]) []entry {
	t.Helper()
	cut := s.Cut()
	defer cut.Close()
	var list []entry
	for pos, e := range cut.All() {
		list = append(list, entry{pos.Partition, pos.Sequence, *e})
	}
	return list
}

// numbers returns N of what a store shows, partition after partition.
func numbers(t testing.TB, s *core.Store[trade]) []int {
	t.Helper()
	var list []int
	for _, e := range content(t, s) {
		list = append(list, e.Event.N)
	}
	return list
}

// count returns the numbers from, from+1, … to-1.
func count(from, to int) []int {
	var list []int
	for n := from; n < to; n++ {
		list = append(list, n)
	}
	return list
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func same[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		const most = 2000
		t.Fatalf("%s (-want +got):\n%s", what, diff[:min(len(diff), most)])
	}
}

// fails wants an error that is all of the given ones, and of type *Error.
func fails(t testing.TB, err error, want ...error) {
	t.Helper()
	for _, w := range want {
		if !errors.Is(err, w) {
			t.Fatalf("error %v; want %v", err, w)
		}
	}
	if e := (*Error)(nil); !errors.As(err, &e) {
		t.Fatalf("%T %v is no *Error", err, err)
	}
}

// balanced wants what is true of the counters while nobody appends or saves.
func balanced(t testing.TB, s *Saver[trade]) {
	t.Helper()
	risk, err := consistent(s)
	must(t, err)
	if x := s.Stats(); x.AtRisk != risk {
		t.Fatalf("%d events at risk, %d in all partitions", x.AtRisk, risk)
	}
	for _, number := range s.Store().PartitionNumbers() {
		if l, err := s.Store().PartitionLedger(number); err != nil || l.OpenCuts > 0 {
			t.Fatalf("partition %d: %d cuts are open, error %v", number, l.OpenCuts, err)
		}
	}
}

// consistent wants what is true of the counters at every moment, and returns how many events are at risk.
func consistent(s *Saver[trade]) (risk uint64, err error) {
	for _, p := range s.PartitionStats() {
		limits, err := s.Store().Limits(p.Partition)
		if err != nil || p.AtRisk != p.Next-p.Saved || p.AtRisk >= 1<<63 || p.Buffered > uint64(limits.Capacity) {
			return 0, fmt.Errorf("%+v, capacity %d, error %w", p, limits.Capacity, err)
		}
		risk += p.AtRisk
	}
	return risk, nil
}
