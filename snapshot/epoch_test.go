package snapshot

import (
	"context"
	"io"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/faultstore"
)

// goesOn opens the place and reports whether the epoch is that of the newest snapshot. The Saver stays open.
func goesOn(t *testing.T, p *place, store core.Options[trade], change func(*Options[trade])) (*Saver[trade], bool) {
	t.Helper()
	m, o := p.newest(t), manual()
	change(&o)
	s := open(t, p.handle(t), store, o)
	r := s.Report()
	if yes := s.Store().Epoch() == m.Epoch; r.NewEpoch == yes && r.Ordinal == m.Ordinal {
		t.Fatalf("epoch %v, %+v", s.Store().Epoch(), r)
	}
	return s, s.Store().Epoch() == m.Epoch
}

func unchanged(*Options[trade]) {}

// filled returns a place with three snapshots, of which the last one is final: of 10, 20 and 30 events.
func filled(t *testing.T, store core.Options[trade]) *place {
	t.Helper()
	p, clock, o := new(place), newClock(), manual()
	o.Clock = clock.now
	s := open(t, p.handle(t), store, o)
	for n := range 3 {
		fill(t, s.Store(), 10*n, 10*n+10)
		if n < 2 {
			save(t, s)
		}
		clock.advance(time.Hour)
	}
	must(t, s.Close())
	must(t, s.blobs.Close())
	return p
}

// TestEpochGoesOn only behind a final snapshot, for the first who opens it, from the newest on.
func TestEpochGoesOn(t *testing.T) {
	for what, c := range map[string]struct {
		store  core.Options[trade]
		change func(*Options[trade])
		want   bool
	}{
		"newest":              {one(), unchanged, true},
		"newest, by ordinal":  {one(), func(o *Options[trade]) { o.Restore.Ordinal = 3 }, true},
		"newest, by time":     {one(), func(o *Options[trade]) { o.Restore.At = noon.Add(1000 * time.Hour) }, true},
		"older, by ordinal":   {one(), func(o *Options[trade]) { o.Restore.Ordinal = 2 }, false},
		"older, by time":      {one(), func(o *Options[trade]) { o.Restore.At = noon.Add(90 * time.Minute) }, false},
		"fresh":               {one(), func(o *Options[trade]) { o.Restore.Fresh = true }, false},
		"regrouped":           {keyed(4), unchanged, false},
		"another compression": {one(), func(o *Options[trade]) { o.Compression = Zstd }, true},
	} {
		t.Run(what, func(t *testing.T) {
			s, yes := goesOn(t, filled(t, one()), c.store, c.change)
			same(t, "epoch goes on", yes, c.want)
			must(t, s.Close())
		})
	}
}

// TestEpochIsKeptOnce: after a restart that was not followed by a final snapshot it has ended.
func TestEpochIsKeptOnce(t *testing.T) {
	p := filled(t, one())
	s, yes := goesOn(t, p, one(), unchanged)
	same(t, "first", yes, true)
	same(t, "marks", p.names(t, openedPrefix(DefaultName)), []string{openedName(DefaultName, 3)})
	fill(t, s.Store(), 30, 35)
	crash(t, s)
	s, yes = goesOn(t, p, one(), unchanged)
	same(t, "behind a crash", yes, false)
	same(t, "events", len(content(t, s.Store())), 30)
	same(t, "lineage", len(s.lineage), 1)
	same(t, "horizon", s.lineage[0].Next, []AncestorHorizon{{0, 30}})

	// Nothing is appended: nothing is lost, and each restart goes on.
	for range 5 {
		must(t, s.Close())
		must(t, s.blobs.Close())
		s, yes = goesOn(t, p, one(), unchanged)
		same(t, "idle restart", yes, true)
	}
	save(t, s) // says nothing new, so it is not taken, and the final one counts
	same(t, "unchanged", s.Stats().Unchanged, 1)
	must(t, s.Close())
	must(t, s.blobs.Close())
	s, yes = goesOn(t, p, one(), unchanged)
	same(t, "again", yes, true)
	must(t, s.Close())
	if n := len(p.names(t, openedPrefix(DefaultName))); n > DefaultKeep {
		t.Errorf("%d marks", n)
	}
}

// TestOlderFinalSnapshot: behind a newer snapshot no epoch goes on, not even one that nobody has opened.
func TestOlderFinalSnapshot(t *testing.T) {
	p, o := filled(t, one()), manual()
	o.Restore.Fresh = true
	s := open(t, p.handle(t), one(), o)
	fill(t, s.Store(), 0, 1)
	must(t, s.Close())
	must(t, s.blobs.Close())
	o.Restore = RestoreOptions{Ordinal: 3}
	s = open(t, p.handle(t), one(), o)
	if r := s.Report(); !r.Final || !r.NewEpoch || r.Events != 30 {
		t.Errorf("%+v", r)
	}
}

// TestMarksStay as long as their snapshots do.
func TestMarksStay(t *testing.T) {
	p := filled(t, one())
	s := open(t, p.handle(t), one(), manual())
	for n := range DefaultKeep - 1 {
		fill(t, s.Store(), n, n+1)
		save(t, s)
		same(t, "marks", p.names(t, openedPrefix(DefaultName)), []string{openedName(DefaultName, 3)})
	}
	fill(t, s.Store(), 0, 1)
	save(t, s)
	same(t, "marks", len(p.names(t, openedPrefix(DefaultName))), 0)
}

// TestLoadTakesNothing: looking at a final snapshot does not count as opening it.
func TestLoadTakesNothing(t *testing.T) {
	p := filled(t, one())
	blobs, plan := p.faulty(t, "")
	s, r, err := Load(t.Context(), blobs, one(), manual())
	must(t, err)
	defer func() { _ = s.Close() }()
	if m := p.newest(t); s.Epoch() == m.Epoch || !r.NewEpoch || r.Events != 30 {
		t.Errorf("%+v", r)
	}
	same(t, "writes", plan.Calls("put")+plan.Calls("acquire")+plan.Calls("delete"), 0)
	_, yes := goesOn(t, p, one(), unchanged)
	same(t, "afterwards", yes, true)
}

// TestFailedStartCostsNoEpoch: a start that fails at any call leaves the epoch to the next one; only an unknown outcome of
// the very mark may cost it.
func TestFailedStartCostsNoEpoch(t *testing.T) {
	for k := 1; ; k++ {
		p := filled(t, one())
		o := manual()
		o.MaxAttempts = 1
		blobs, plan := p.faulty(t, "*:"+strconv.Itoa(k)+" error io")
		s, err := Open(t.Context(), blobs, one(), o)
		if err == nil {
			if err := s.Close(); err != nil {
				fails(t, err, faultstore.ErrInjected)
			}
			if plan.Injected() > 0 {
				continue // a call of Close
			}
			if k < 6 {
				t.Errorf("only %d calls", k)
			}
			break
		}
		fails(t, err, faultstore.ErrInjected)
		must(t, blobs.Close())
		_, yes := goesOn(t, p, one(), unchanged)
		if !yes {
			t.Errorf("call %d", k)
		}
	}
}

// TestLostAnswerOfTheMark: whether the mark is there is found out by asking.
func TestLostAnswerOfTheMark(t *testing.T) {
	for _, rule := range []string{"put:1 lost-reply", "put:1-4 lost-reply", "put:1 error io"} {
		p := filled(t, one())
		m := p.newest(t)
		blobs, plan := p.faulty(t, rule)
		s := open(t, blobs, one(), manual())
		same(t, "epoch", s.Store().Epoch(), m.Epoch)
		if plan.Injected() == 0 {
			t.Error("no fault")
		}
	}
}

// racing is a store in which somebody else opens the final snapshot just before we do.
type racing struct {
	sinks.BlobStore
	other func()
}

func (r *racing) Put(ctx context.Context, name string, size int64, content io.Reader) error {
	if other := r.other; other != nil {
		r.other = nil
		other()
	}
	return r.BlobStore.Put(ctx, name, size, content)
}

// TestTwoOpenAtOnce, which only NoLease allows: one of them goes on, and both have the events.
func TestTwoOpenAtOnce(t *testing.T) {
	p := filled(t, one())
	m, o := p.newest(t), manual()
	o.NoLease = true
	var first *Saver[trade]
	r := &racing{BlobStore: p.handle(t)}
	r.other = func() { first = open(t, p.handle(t), one(), o) }
	second := open(t, r, one(), o)
	if first.Store().Epoch() != m.Epoch || second.Store().Epoch() == m.Epoch || !second.Report().NewEpoch {
		t.Error("both or none goes on")
	}
	same(t, "events", content(t, second.Store()), content(t, first.Store()))
}

// TestLineageIsBounded: many restarts behind crashes keep the last ancestors.
func TestLineageIsBounded(t *testing.T) {
	var p place
	var epochs []core.Epoch
	for n := range maxLineage + 5 {
		s := open(t, p.handle(t), one(), manual())
		fill(t, s.Store(), n, n+1)
		save(t, s)
		epochs = append(epochs, s.Store().Epoch())
		crash(t, s)
	}
	m := p.newest(t)
	same(t, "ancestors", len(m.Lineage), maxLineage)
	for i, a := range m.Lineage {
		n := 4 + i // the last one is the epoch's own
		same(t, "epoch", a.Epoch, epochs[n])
		same(t, "horizon", a.Next, []AncestorHorizon{{0, uint64(n + 1)}})
	}
	long := make([]Ancestor, 5)
	for i := range long {
		long[i].Next = make([]AncestorHorizon, maxHorizons/2)
	}
	same(t, "of many partitions", len(bounded(long)), 2)
	same(t, "of far too many", len(bounded([]Ancestor{{}, {Next: make([]AncestorHorizon, 2*maxHorizons)}})), 1)
}

// TestOrdinalsGoOn across restarts, restores of older snapshots, and fresh starts.
func TestOrdinalsGoOn(t *testing.T) {
	p := filled(t, one())
	want := []uint64{1, 2, 3}
	for _, change := range []func(*Options[trade]){
		func(o *Options[trade]) { o.Restore.Ordinal = 1 },
		func(o *Options[trade]) { o.Restore.Fresh = true },
		unchanged,
	} {
		o := manual()
		change(&o)
		s := open(t, p.handle(t), one(), o)
		fill(t, s.Store(), 100, 101)
		must(t, s.Close())
		must(t, s.blobs.Close())
		want = append(want, want[len(want)-1]+1)
	}
	var got []uint64
	for _, m := range p.manifests(t, DefaultName) {
		got = append(got, m.Ordinal)
	}
	same(t, "ordinals", got, want[len(want)-DefaultKeep:])
	same(t, "events", p.newest(t).Events(), 2) // of the fresh start, and one more
	if slices.Contains(got, 3) {
		t.Error("the one that was given up on is still there")
	}
}
