package snapshot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks/faultstore"
)

// TestNothingChanged: a snapshot that would say the same is not taken, one that says anything else is.
func TestNothingChanged(t *testing.T) {
	var p place
	store := keyed(2)
	store.Size = func(*trade) int { return 1 }
	s := open(t, p.handle(t), store, manual())
	base := s.Store()
	changes := map[string]func() error{
		"event":  func() error { _, err := base.Append(nth(1)); return err },
		"name":   func() error { _, err := base.Keys().Intern("x"); return err },
		"names":  func() error { base.Keys().Clear(); return nil },
		"add":    func() error { _, err := base.AddPartition(core.PartitionOptions{Capacity: 5}); return err },
		"resize": func() error { return base.SetCapacity(2, 7) },
		"age":    func() error { return base.SetLimits(2, core.PartitionOptions{Capacity: 7, MaxAge: 1e6 * time.Hour}) },
		"bytes": func() error {
			return base.SetLimits(2, core.PartitionOptions{Capacity: 7, MaxAge: 1e6 * time.Hour, MaxBytes: 99})
		},
		"remove": func() error { return base.RemovePartition(2) },
		"purge":  func() error { return base.Purge(noon.Add(-1)) },
		"clear":  base.Clear,
	}
	save(t, s)
	for i, what := range []string{"event", "name", "names", "add", "resize", "age", "bytes", "remove", "purge", "clear"} {
		must(t, changes[what]())
		save(t, s)
		save(t, s)
		if x := s.Stats(); x.Snapshots != uint64(i+2) || x.Unchanged != uint64(i+1) || x.Ordinal != uint64(i+2) {
			t.Fatalf("after %s: %+v", what, x)
		}
		balanced(t, s)
	}
	must(t, s.Close())
	m := p.newest(t)
	if !m.Final || m.Ordinal != 12 {
		t.Errorf("the final one is %d, final %v", m.Ordinal, m.Final)
	}
	must(t, s.blobs.Close())
	s = open(t, p.handle(t), store, manual())
	save(t, s) // the epoch goes on
	same(t, "snapshots behind a final one", s.Stats().Snapshots, 0)
	crash(t, s)
	s = open(t, p.handle(t), store, manual())
	save(t, s) // it does not
	same(t, "snapshots in a new epoch", s.Stats().Snapshots, 1)
	same(t, "epoch", p.newest(t).Epoch, s.Store().Epoch())
}

// TestDefectD21_NamesAreSaved: names keep their numbers; a dictionary that was cleared, or cleared and filled up to where it was, is saved
// anew.
func TestDefectD21_NamesAreSaved(t *testing.T) {
	var p place
	o := keyed(2)
	o.MaxKeys = 1000
	s := open(t, p.handle(t), o, manual())
	want := func(n int) {
		t.Helper()
		save(t, s)
		names := s.Store().Keys().Names()
		same(t, "names", len(names), n)
		loaded, _, err := Load(t.Context(), p.handle(t), o, manual())
		must(t, err)
		same(t, "names", loaded.Keys().Names(), names)
		must(t, loaded.Close())
	}
	intern := func(prefix string, n int) {
		for i := range n {
			_, err := s.Store().Keys().Intern(fmt.Sprint(prefix, i))
			must(t, err)
		}
	}
	fill(t, s.Store(), 0, 100)
	want(7)
	for i := range 100 {
		intern(fmt.Sprintf("%d-", i), 1)
		want(8 + i)
	}
	if n := len(p.newest(t).Keys.Blocks); n > 8 {
		t.Errorf("%d blocks of names", n)
	}
	s.Store().Keys().Clear()
	intern("other", 107)
	want(107)
	s.Store().Keys().Clear()
	want(0)
	intern("again", 3)
	want(3)
	crash(t, s)

	o.MaxKeys = 2
	_, err := Open(t.Context(), p.handle(t), o, manual())
	fails(t, err, core.ErrOption)
	o.MaxKeys = 3
	s = open(t, p.handle(t), o, manual())
	_, err = s.Store().Append(trade{Key: "new"})
	same(t, "bounded", errors.Is(err, core.ErrKeysFull), true)
}

// TestQuietPartitionsKeepNoObjects: partitions that were written once each, under different snapshots, end up together.
func TestQuietPartitionsKeepNoObjects(t *testing.T) {
	var p place
	const partitions = 300
	s := open(t, p.handle(t), core.Options[trade]{Partitions: partitions, Capacity: partitions << 8}, manual())
	most := 0
	for i := range partitions {
		fillPartition(t, s.Store(), i, i, i+3)
		save(t, s)
		most = max(most, len(s.base.Objects))
	}
	if most > smallObjects+2 {
		t.Errorf("%d objects", most)
	}
	if x := s.Stats(); x.Events > 3*partitions*5 {
		t.Errorf("%d events were written for %d", x.Events, 3*partitions)
	}
	p.newest(t)
}

// TestEventsOfDifferentSizes: each partition's blocks are cut to size by its own events.
func TestEventsOfDifferentSizes(t *testing.T) {
	var p place
	text := JSON[string]()
	s, err := Open(t.Context(), p.handle(t), core.Options[string]{Partitions: 2, Capacity: 2 << 12}, Options[string]{Codec: text, Manual: true})
	must(t, err)
	defer func() { _ = s.Close() }()
	large := strings.Repeat("x", 1<<16)
	for range 1000 {
		_, err := s.Store().AppendTo(0, "s")
		must(t, err)
	}
	for range 100 {
		_, err := s.Store().AppendTo(1, large)
		must(t, err)
	}
	must(t, s.Save(t.Context()))
	for i, want := range []int{1, 100 / 15} {
		blocks := len(s.base.Partitions[i].Blocks)
		if blocks < want || blocks > 2*want {
			t.Errorf("partition %d: %d blocks", i, blocks)
		}
	}
	for range 1000 {
		_, err := s.Store().AppendTo(0, "s")
		must(t, err)
	}
	must(t, s.Save(t.Context()))
	same(t, "blocks", len(s.base.Partitions[0].Blocks), 1)
}

// TestCodecThatFails: what a codec does wrong is an error that names it, and the next snapshot is not harmed.
func TestCodecThatFails(t *testing.T) {
	boom := errors.New("boom")
	for what, c := range map[string]*oddCodec{
		"error": {fail: boom}, "panic": {panics: true}, "short": {short: true},
	} {
		var p place
		o := manual()
		o.Codec = c
		s := open(t, p.handle(t), one(), o)
		fill(t, s.Store(), 0, 100)
		for range 2 {
			err := s.Save(t.Context())
			fails(t, err)
			if !errors.Is(err, ErrOption) && !errors.Is(err, boom) || !strings.Contains(err.Error(), "odd") && what != "panic" {
				t.Errorf("%s: %v", what, err)
			}
		}
		balanced(t, s)
		c.fail, c.panics, c.short = nil, false, false
		save(t, s)
		same(t, what, p.newest(t).Events(), 100)
	}
}

// oddCodec is JSON, unless told otherwise.
type oddCodec struct {
	fail          error
	panics, short bool
}

func (c *oddCodec) Name() string { return "odd" }

func (c *oddCodec) Append(b []byte, events []trade) ([]byte, error) {
	switch {
	case c.panics:
		panic("odd codec")
	case c.short:
		return b, nil
	case c.fail != nil:
		return nil, c.fail
	}
	return JSON[trade]().Append(b, events)
}

func (c *oddCodec) Decode(dst []trade, src []byte, n int) ([]trade, error) {
	switch {
	case c.panics:
		panic("odd codec")
	case c.short:
		return dst, nil
	case c.fail != nil:
		return nil, c.fail
	}
	return JSON[trade]().Decode(dst, src, n)
}

// TestUnwritable: a manifest that could not be read again is not written.
func TestUnwritable(t *testing.T) {
	var p place
	s := open(t, p.handle(t), one(), manual())
	fill(t, s.Store(), 0, 1)
	s.lineage = []Ancestor{{Next: []AncestorHorizon{{Partition: -7}}}}
	fails(t, s.Save(t.Context()), ErrOption)
	same(t, "manifests", len(p.names(t, manifestPrefix(DefaultName))), 0)
}

// TestAbsurdTimes: clocks, purges and events of any year are saved as they are.
func TestAbsurdTimes(t *testing.T) {
	var p place
	year := func(y int) time.Time { return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC) }
	o := manual()
	o.Clock = func() time.Time { return year(1_000_000) }
	s := open(t, p.handle(t), one(), o)
	for i, y := range []int{-5000, 0, 1, 1677, 1970, 2263, 9999, 10000, 50000} {
		_, err := s.Store().Append(trade{N: i, At: year(y)})
		must(t, err)
	}
	must(t, s.Store().Purge(year(-10000)))
	save(t, s)
	want := content(t, s.Store())
	same(t, "events", len(want), 9)
	crash(t, s)
	s = open(t, p.handle(t), one(), manual())
	same(t, "restored", content(t, s.Store()), want)
	must(t, s.Store().Purge(year(20000)))
	save(t, s)
	crash(t, s)
	s = open(t, p.handle(t), one(), manual())
	same(t, "restored", numbers(t, s.Store()), []int{8})
	same(t, "purged", s.Store().PurgedBefore(), year(20000))
}

// watcher counts what an Observer is told.
type watcher struct {
	begun, ended map[string]int
	failed       map[string]int
	last         map[string]map[string]slog.Value
}

func newWatcher() *watcher {
	return &watcher{map[string]int{}, map[string]int{}, map[string]int{}, map[string]map[string]slog.Value{}}
}

func (w *watcher) Start(ctx context.Context, op string) (context.Context, func(error, ...slog.Attr)) {
	w.begun[op]++
	return ctx, func(err error, attributes ...slog.Attr) {
		w.ended[op]++
		if err != nil {
			w.failed[op]++
		}
		w.last[op] = map[string]slog.Value{}
		for _, a := range attributes {
			w.last[op][a.Key] = a.Value
		}
	}
}

// TestObserver: each operation has one end, whatever becomes of it, and says what it has done.
func TestObserver(t *testing.T) {
	var p place
	o, w := manual(), newWatcher()
	var progress []Progress
	o.Observer, o.Keep, o.MaxAttempts = w, 1, 2
	o.Progress = func(p Progress) { progress = append(progress, p) }
	blobs, plan := p.faulty(t, "put:3-4 error io; list:13 error io")
	s := open(t, blobs, one(), o)
	fill(t, s.Store(), 0, 100)
	save(t, s)
	if x := w.last["snapshot.save"]; x["outcome"].String() != "success" || x["events"].Uint64() != 100 || x["partitions"].Int64() != 1 ||
		x["ordinal"].Uint64() != 1 || x["attempts"].Int64() != 1 || x["bytes"].Uint64() != s.Stats().Bytes || x["name"].String() != DefaultName {
		t.Errorf("%v", x)
	}
	fill(t, s.Store(), 100, 110)
	fails(t, s.Save(t.Context()), faultstore.ErrInjected)
	if x := w.last["snapshot.save"]; x["outcome"].String() != "failure" || x["attempts"].Int64() != 2 || x["events"].Uint64() != 10 {
		t.Errorf("%v", x)
	}
	save(t, s)
	if x := w.last["snapshot.prune"]; x["deleted"].Int64() != 1 || x["kept"].Int64() != 1 || x["objects"].Int64() != 0 {
		t.Errorf("%v", x)
	}
	save(t, s) // nothing to do
	if x := w.last["snapshot.save"]; len(x) != 2 || x["outcome"].String() != "success" || x["name"].String() != DefaultName {
		t.Errorf("of a snapshot that was not taken: %v", x)
	}
	must(t, s.Close())
	for _, op := range []string{"snapshot.save", "snapshot.prune", "snapshot.restore"} {
		if w.begun[op] == 0 || w.begun[op] != w.ended[op] {
			t.Errorf("%s: %d begun, %d ended", op, w.begun[op], w.ended[op])
		}
	}
	same(t, "failed", w.failed, map[string]int{"snapshot.save": 1, "snapshot.prune": 1})
	for _, x := range progress {
		if x.Operation != "save" || x.Done > x.Total || x.Done < 1 {
			t.Errorf("%+v", x)
		}
	}
	same(t, "faults", plan.Injected(), 3)
}

// TestObservedPartitions: those that are only written because their objects are too small do not count.
func TestObservedPartitions(t *testing.T) {
	var p place
	o, w := manual(), newWatcher()
	o.Observer = w
	s := open(t, p.handle(t), core.Options[trade]{Capacity: 1000, Partitions: smallObjects + 10}, o)
	for i := range smallObjects + 10 {
		fillPartition(t, s.Store(), i, i, i+1)
		before := s.Stats().Events
		save(t, s)
		x := w.last["snapshot.save"]
		if x["partitions"].Int64() != 1 || x["events"].Uint64() != 1 {
			t.Fatalf("snapshot %d wrote %d events: %v", i+1, s.Stats().Events-before, x)
		}
	}
}
