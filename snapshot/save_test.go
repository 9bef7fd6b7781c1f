package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/faultstore"
)

// TestSaveFailsAtEveryCall lets the k-th call to the store of blobs go wrong, for every k, in each way that there is: once,
// from then on, or with the answer lost. Whatever happened, the next snapshot is whole and holds everything, takes nothing
// over from the attempt that failed, and what that has left behind is swept.
func TestSaveFailsAtEveryCall(t *testing.T) {
	for _, rule := range []string{"*:%d error io", "*:%d+ error io", "put:%d lost-reply", "put:%d partial 100 bytes", "put:%d+ lost-reply", "open:%d error io"} {
		for _, attempts := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s, %d attempts", rule, attempts), func(t *testing.T) {
				runs := 0
				for k := 1; ; k++ {
					if !failAt(t, fmt.Sprintf(rule, k), attempts, strings.Contains(rule, "+")) {
						break
					}
					runs++
				}
				if runs == 0 && !strings.HasPrefix(rule, "open") {
					t.Error("no call has failed")
				}
				t.Logf("%d runs", runs)
			})
		}
	}
}

// failAt reports false if no call has failed.
func failAt(t *testing.T, rule string, attempts int, forever bool) bool {
	t.Helper()
	var p place
	o := manual()
	o.MaxAttempts, o.Keep = attempts, 2
	s := open(t, p.handle(t), keyed(3), o)
	fill(t, s.Store(), 0, 500)
	must(t, s.Close())
	must(t, s.blobs.Close())

	blobs := p.handle(t)
	s = open(t, blobs, keyed(3), o)
	fill(t, s.Store(), 500, 600)
	save(t, s)
	fill(t, s.Store(), 600, 700)
	bad, err := faultstore.Parse(rule)
	must(t, err)
	s.blobs, s.putter.blobs = faultstore.Blobs(blobs, bad), faultstore.Blobs(blobs, bad)
	before := p.newest(t)
	err = s.Save(t.Context())
	injected := bad.Injected() > 0
	if err != nil && (!injected || !errors.Is(err, faultstore.ErrInjected)) {
		t.Fatalf("%s: %v", rule, err)
	}
	if err != nil && !forever && attempts > 1 {
		t.Fatalf("%s: one failed try of %d made it fail: %v", rule, attempts, err)
	}
	balanced(t, s)
	if x := s.Stats(); err != nil && (x.AtRisk != 100 || x.Failures != 1 || x.LastError == nil) {
		t.Fatalf("%s: %+v", rule, x)
	}
	failed := err != nil
	left := p.names(t, objectPrefix(DefaultName))
	s.blobs, s.putter.blobs = blobs, blobs
	fill(t, s.Store(), 700, 710)
	save(t, s)
	if x := s.Stats(); x.AtRisk != 0 || x.LastError != nil {
		t.Fatalf("%s: %+v", rule, x)
	}
	for _, o := range p.newest(t).Objects {
		known := slices.ContainsFunc(before.Objects, func(b Object) bool { return b.Name == o.Name })
		if failed && !known && slices.Contains(left, o.Name) {
			t.Fatalf("%s: %s of the failed attempt is used", rule, o.Name)
		}
	}
	for range 2 { // so that what a lost answer has left as a snapshot is pruned
		fill(t, s.Store(), 0, 1)
		save(t, s)
	}
	v, err := Verify(t.Context(), p.handle(t), DefaultName, nil)
	must(t, err)
	if len(v.Unused) > 0 || len(v.Snapshots) != 2 {
		t.Fatalf("%s: %d snapshots, unused: %v", rule, len(v.Snapshots), v.Unused)
	}
	want := content(t, s.Store())
	crash(t, s)
	again := open(t, p.handle(t), keyed(3), o)
	same(t, rule, content(t, again.Store()), want)
	return injected
}

// TestAnswerOfTheManifestLost covers what no retry can: the manifest is stored, nobody says so, and it cannot be read back.
func TestAnswerOfTheManifestLost(t *testing.T) {
	var p place
	blobs, plan := p.faulty(t, "put:2 lost-reply; open:1 error io") // the first put is that of the object
	o := manual()
	o.MaxAttempts = 1
	s := open(t, blobs, one(), o)
	fill(t, s.Store(), 0, 10)
	fails(t, s.Save(t.Context()), sinks.ErrUnknownOutcome)
	if n := len(p.manifests(t, DefaultName)); n != 1 || plan.Injected() != 2 {
		t.Fatalf("%d manifests, %d faults", n, plan.Injected())
	}
	fill(t, s.Store(), 10, 20)
	save(t, s) // and not ErrConflict, for the manifest in the way is our own
	if m := p.newest(t); m.Ordinal != 2 || m.Events() != 20 || s.Stats().Ordinal != 2 {
		t.Errorf("snapshot %d of %d events", m.Ordinal, m.Events())
	}
}

// TestManifestThatExistsBySurprise is what a client library does that tries again by itself: the store says ErrExists to
// the first Put, for the blob is there.
func TestManifestThatExistsBySurprise(t *testing.T) {
	var p place
	s := open(t, &echo{BlobStore: p.handle(t)}, one(), manual())
	fill(t, s.Store(), 0, 10)
	save(t, s)
	if m := p.newest(t); m.Events() != 10 || s.Stats().AtRisk != 0 || s.Stats().Retries != 0 {
		t.Errorf("%d events, %+v", m.Events(), s.Stats())
	}
}

// echo puts everything twice and tells what the second one said.
type echo struct{ sinks.BlobStore }

func (e *echo) Put(ctx context.Context, name string, size int64, r io.Reader) error {
	b, err := readGrowing(r, nil, int(size))
	if err == nil {
		err = e.BlobStore.Put(ctx, name, size, strings.NewReader(string(b)))
	}
	if err == nil {
		err = e.BlobStore.Put(ctx, name, size, strings.NewReader(string(b)))
	}
	return err
}

func TestPermanentErrorsAreNotTriedAgain(t *testing.T) {
	for _, kind := range []string{"invalid", "fenced", "leased", "closed", "readonly", "toonew", "foreign", "conflict", "corrupt", "unsupported"} {
		var p place
		blobs, plan := p.faulty(t, "put:* error "+kind)
		s := open(t, blobs, one(), manual())
		fill(t, s.Store(), 0, 10)
		fails(t, s.Save(t.Context()), faultstore.ErrInjected)
		if n := plan.Calls("put"); n != 1 {
			t.Errorf("%s: %d tries", kind, n)
		}
	}
}

// TestForeignWriter has two Savers take snapshots in one place, which only NoLease allows. Each must notice the other, and no
// snapshot may rely on what the other one has removed.
func TestForeignWriter(t *testing.T) {
	for _, theirs := range []int{1, 5} { // with 5, the ordinal that ours is about to use is free again
		var p place
		o := manual()
		o.NoLease, o.Keep = true, 2
		ours := open(t, p.handle(t), one(), o)
		fill(t, ours.Store(), 0, 100)
		save(t, ours)
		other := open(t, p.handle(t), one(), o)
		same(t, "restored", len(content(t, other.Store())), 100)
		must(t, other.Store().Clear())
		for i := range theirs {
			fill(t, other.Store(), 1000+i, 1001+i)
			save(t, other)
		}
		fill(t, ours.Store(), 100, 110)
		fails(t, ours.Save(t.Context()), ErrConflict)
		save(t, ours)
		m := p.newest(t) // and all are whole
		if m.Ordinal != uint64(theirs)+2 || m.Events() != 110 || m.Writer != ours.writer {
			t.Errorf("snapshot %d of %d events", m.Ordinal, m.Events())
		}
		fill(t, other.Store(), 2000, 2001)
		fails(t, other.Save(t.Context()), ErrConflict)
		save(t, other)
		p.newest(t)
	}
}

// TestForeignManifestBetween is the same at the last moment: the other one's manifest comes while ours is written.
func TestForeignManifestBetween(t *testing.T) {
	var p place
	o := manual()
	o.NoLease = true
	blobs, plan := p.faulty(t, "put:2 stall")
	ours, other := open(t, blobs, one(), o), open(t, p.handle(t), one(), o)
	fill(t, ours.Store(), 0, 10)
	fill(t, other.Store(), 0, 5)
	ended := make(chan error, 1)
	go func() { ended <- ours.Save(context.Background()) }()
	<-plan.Reached("put", 2)
	save(t, other)
	plan.Clear()
	fails(t, <-ended, ErrConflict)
	same(t, "events", p.newest(t).Events(), 5)
	save(t, ours)
	same(t, "events", p.newest(t).Events(), 10)
}

// TestVanishedObject: what has been removed from outside is noticed at the next snapshot, and the one after it is whole.
func TestVanishedObject(t *testing.T) {
	var p place
	s := open(t, p.handle(t), one(), manual())
	fill(t, s.Store(), 0, 1000)
	save(t, s)
	must(t, s.blobs.Delete(t.Context(), p.newest(t).Objects[0].Name))
	fill(t, s.Store(), 1000, 1001)
	save(t, s)
	if x := s.Stats(); x.PruneErrs != 1 {
		t.Errorf("%+v", x)
	}
	fill(t, s.Store(), 1001, 1002)
	save(t, s)
	want := content(t, s.Store())
	crash(t, s)
	again := open(t, p.handle(t), one(), manual())
	same(t, "restored", content(t, again.Store()), want)
	same(t, "ordinal", again.Report().Ordinal, 3)
}

// TestUnderWayIsNotPruned prunes from outside while objects of a snapshot lie there that no manifest names yet.
func TestUnderWayIsNotPruned(t *testing.T) {
	var p place
	o := manual()
	o.NoLease = true
	blobs, plan := p.faulty(t, "put:4 stall")
	s := open(t, blobs, one(), o)
	fill(t, s.Store(), 0, 10)
	save(t, s)
	fill(t, s.Store(), 10, 20)
	ended := make(chan error, 1)
	go func() { ended <- s.Save(context.Background()) }()
	<-plan.Reached("put", 4) // its manifest
	done, err := Prune(t.Context(), p.handle(t), DefaultName, 1)
	must(t, err)
	same(t, "pruned", done, Pruned{Kept: 1})
	plan.Clear()
	must(t, <-ended)
	same(t, "events", p.newest(t).Events(), 20)
}

// TestNothingChanged: a snapshot that would say the same is not taken, one that says anything else is.
func TestNothingChanged(t *testing.T) {
	var p place
	s := open(t, p.handle(t), keyed(2), manual())
	base := s.Store()
	changes := map[string]func() error{
		"event":  func() error { _, err := base.Append(nth(1)); return err },
		"name":   func() error { _, err := base.Keys().Intern("x"); return err },
		"names":  func() error { base.Keys().Clear(); return nil },
		"add":    func() error { _, err := base.AddPartition(core.PartitionOptions{Capacity: 5}); return err },
		"resize": func() error { return base.Resize(2, 7) },
		"remove": func() error { return base.RemovePartition(2) },
		"purge":  func() error { return base.Purge(noon.Add(-1)) },
		"clear":  base.Clear,
	}
	save(t, s)
	for i, what := range []string{"event", "name", "names", "add", "resize", "remove", "purge", "clear"} {
		must(t, changes[what]())
		save(t, s)
		save(t, s)
		if x := s.Stats(); x.Snapshots != uint64(i+2) || x.Unchanged != uint64(i+1) || x.Ordinal != uint64(i+2) {
			t.Fatalf("after %s: %+v", what, x)
		}
	}
	must(t, s.Close())
	m := p.newest(t)
	if !m.Final || m.Ordinal != 10 {
		t.Errorf("the final one is %d, final %v", m.Ordinal, m.Final)
	}
}

// TestDictionary: names keep their numbers; a dictionary that was cleared, or cleared and filled up to where it was, is saved
// anew.
func TestDictionary(t *testing.T) {
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
	defer s.Close()
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

// TestAbsurdTimes: clocks and purges of any year are saved as they are, and so are events as far as the codec goes.
func TestAbsurdTimes(t *testing.T) {
	var p place
	year := func(y int) time.Time { return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC) }
	o := manual()
	o.Clock = func() time.Time { return year(1_000_000) }
	s := open(t, p.handle(t), one(), o)
	for i, y := range []int{1, 2, 1677, 1970, 2263, 9999} {
		_, err := s.Store().Append(trade{N: i, At: year(y)})
		must(t, err)
	}
	must(t, s.Store().Purge(year(-10000)))
	save(t, s)
	want := content(t, s.Store())
	same(t, "events", len(want), 6)
	crash(t, s)
	s = open(t, p.handle(t), one(), manual())
	same(t, "restored", content(t, s.Store()), want)
	must(t, s.Store().Purge(year(20000)))
	save(t, s)
	crash(t, s)
	s = open(t, p.handle(t), one(), manual())
	same(t, "restored", len(content(t, s.Store())), 0)
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
