package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/faultstore"
)

// TestSaveFailsAtEveryCall lets the k-th call to the blob store go wrong, for every k, in each way that there is: once,
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

// TestVanishedObject: what has been removed from outside is noticed when a snapshot has shared it, and written anew at once,
// by a final one too: no snapshot is acknowledged that is not whole.
func TestVanishedObject(t *testing.T) {
	for _, final := range []bool{false, true} {
		var p place
		s := open(t, p.handle(t), one(), manual())
		fill(t, s.Store(), 0, 1000)
		save(t, s)
		must(t, s.blobs.Delete(t.Context(), p.newest(t).Objects[0].Name))
		fill(t, s.Store(), 1000, 1001)
		want := content(t, s.Store())
		if final {
			must(t, s.Close())
		} else {
			save(t, s)
			crash(t, s)
		}
		if x := s.Stats(); x.PruneFailures != 2 || x.Failures != 1 || x.Snapshots != 2 || x.AtRisk != 0 || x.LastError != nil || x.Ordinal != 3 {
			t.Errorf("%+v", x)
		}
		again := open(t, p.handle(t), one(), manual())
		same(t, "restored", content(t, again.Store()), want)
		same(t, "ordinal", again.Report().Ordinal, 3)
		same(t, "new epoch", again.Report().NewEpoch, !final)
	}
}

// vanishing removes each object as soon as it is written.
type vanishing struct{ sinks.BlobStore }

func (v vanishing) Put(ctx context.Context, name string, size int64, r io.Reader) error {
	err := v.BlobStore.Put(ctx, name, size, r)
	if strings.Contains(name, "/objects/") {
		err = errors.Join(err, v.Delete(ctx, name))
	}
	return err
}

// TestVanishingObjects: what never stays is no snapshot, and the events are at risk still.
func TestVanishingObjects(t *testing.T) {
	var p place
	o := manual()
	o.NoLease = true
	s := open(t, vanishing{p.handle(t)}, one(), o)
	fill(t, s.Store(), 0, 10)
	fails(t, s.Save(t.Context()), ErrCorrupt)
	if x := s.Stats(); x.AtRisk != 10 || x.Failures != 2 || x.Snapshots != 0 {
		t.Errorf("%+v", x)
	}
	unsaved := (*UnsavedError)(nil)
	if err := s.Close(); !errors.As(err, &unsaved) || unsaved.Events != 10 {
		t.Error(err)
	}
}

// TestPrunedUnderANumberThatWasTaken: a manifest whose answer was lost makes the objects of the next try look as if they had
// been written before it, so a Prune beside a Saver without a lease removes them. Save notices.
func TestPrunedUnderANumberThatWasTaken(t *testing.T) {
	var p place
	o := manual()
	o.NoLease, o.MaxAttempts = true, 1
	blobs, plan := p.faulty(t, "put:2 lost-reply; open:1 error io; put:4 stall")
	s := open(t, blobs, one(), o)
	fill(t, s.Store(), 0, 10)
	fails(t, s.Save(t.Context()), sinks.ErrUnknownOutcome)
	fill(t, s.Store(), 10, 20)
	ended := make(chan error, 1)
	go func() { ended <- s.Save(context.Background()) }()
	<-plan.Reached("put", 4) // the manifest
	done, err := Prune(t.Context(), p.handle(t), DefaultName, 1)
	must(t, err)
	same(t, "pruned", done, Pruned{Objects: 1, Kept: 1})
	plan.Clear()
	must(t, <-ended)
	want := content(t, s.Store())
	crash(t, s)
	again := open(t, p.handle(t), one(), manual())
	same(t, "restored", content(t, again.Store()), want)
	same(t, "skipped", len(again.Report().Skipped), 0)
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
