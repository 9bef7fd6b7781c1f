package verify

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/faultstore"
	"github.com/ephemera-go/ephemera/snapshot"
)

// A savingPlan describes several lives of a store on one place, with faults in each.
type savingPlan struct {
	Seed     uint64
	Driver   string // of the place
	Faults   string // of each life; cleared before it ends, unless Abrupt
	Abrupt   bool   // lives end without a final snapshot, all but the last
	Lives    int
	Life     time.Duration
	Capacity int

	Keep, MaxConcurrent, MaxAttempts, EveryEvents int
	Compression                                   snapshot.Compression
}

// A savingResult sums up all lives.
type savingResult struct {
	Appended, Restored, Snapshots, Failures, Retries, MaxAtRisk uint64
}

var savingFaults = []string{
	"", "put:3 error full", "put:2+ error io", "put:* delay 1ms", "put:2-4 lost-reply", "delete:1-3 error io; list:4 error io",
	"put:2 partial 100 bytes io; open:5 error io", "*:10-12 error io", "put:5 lost-reply; put:6 error full",
}

// A saving is such a plan in progress.
type saving struct {
	savingPlan
	ward
	res savingResult
}

// saveAndRestart runs the plan at a URL. A context that ends shortens it.
func saveAndRestart(ctx context.Context, p savingPlan, url string) (res savingResult, err error) {
	s := &saving{savingPlan: p}
	s.url = url
	for life := 0; life < p.Lives && (life == 0 || ctx.Err() == nil) && err == nil; life++ {
		if err = s.live(life == p.Lives-1); err != nil {
			err = fmt.Errorf("life %d: %w", life, err)
		}
	}
	return s.res, err
}

func (s *saving) options() snapshot.Options[event] {
	o := victimSaver()
	o.Manual, o.EveryEvents, o.Interval = false, s.EveryEvents, 20*time.Millisecond
	o.Keep, o.MaxConcurrent, o.MaxAttempts, o.Compression = s.Keep, s.MaxConcurrent, s.MaxAttempts, s.Compression
	return o
}

// live is one life of the store.
func (s *saving) live(last bool) (err error) {
	ctx := context.Background()
	inner, err := sinks.OpenBlobs(ctx, s.url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, inner.Close()) }()
	plan, err := faultstore.Parse(s.Faults)
	if err != nil {
		return err
	}
	o := s.options()
	o.NoFinal = s.Abrupt && !last
	saver, err := s.insist(ctx, faultstore.Blobs(inner, plan), o)
	if err != nil {
		return err
	}
	if err := s.found(saver); err != nil {
		return errors.Join(err, saver.Store().Close())
	}
	s.res.Restored += saver.Report().Events
	err = s.load(ctx, saver)
	if !o.NoFinal {
		plan.Clear()
	}
	closed := saver.Close()
	st := saver.Stats()
	s.res.Snapshots, s.res.Failures, s.res.Retries = s.res.Snapshots+st.Snapshots, s.res.Failures+st.Failures, s.res.Retries+st.Retries
	if o.NoFinal {
		return err // of what Close could not do, nothing was promised
	}
	s.epoch, s.ordinal = "", st.Ordinal
	copy(s.promise[:], nextOf(saver.Store()))
	return errors.Join(err, closed, s.tidy(ctx, inner))
}

// insist opens in spite of faults.
func (s *saving) insist(ctx context.Context, b sinks.BlobStore, o snapshot.Options[event]) (saver *snapshot.Saver[event], err error) {
	store := victimOptions()
	store.Capacity = s.Capacity * victimWriters
	for range 20 {
		saver, err = snapshot.Open(ctx, b, store, o)
		if !errors.Is(err, faultstore.ErrInjected) {
			break
		}
	}
	return saver, err
}

// load appends and saves, by triggers and by hand.
func (s *saving) load(ctx context.Context, saver *snapshot.Saver[event]) error {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- saver.Run(ctx) }()
	var done [victimWriters]atomic.Uint64
	var writers sync.WaitGroup
	for partition := range done {
		writers.Go(func() { appendForever(saver.Store(), partition, s.runs-1, &done[partition]) })
	}
	begun := nextOf(saver.Store())
	for partition := range done {
		for done[partition].Load() == 0 && begun[partition] > 0 { // it has not begun
			time.Sleep(10 * time.Microsecond)
		}
	}
	var err error
	for end := time.Now().Add(s.Life); err == nil && time.Now().Before(end); {
		err = s.saveOnce(ctx, saver, &done)
	}
	s.res.MaxAtRisk = max(s.res.MaxAtRisk, saver.Stats().AtRisk)
	cancel()
	err = errors.Join(err, <-ended)
	_ = saver.Store().Close() // which ends the writers
	writers.Wait()
	for partition := range done {
		s.res.Appended += done[partition].Load() - begun[partition]
	}
	if l := saver.Store().Ledger(); !l.Balanced() {
		err = errors.Join(err, fmt.Errorf("the ledger does not balance: %+v", l))
	}
	return err
}

// saveOnce saves by hand and notes what was promised. Only what was injected may fail.
func (s *saving) saveOnce(ctx context.Context, saver *snapshot.Saver[event], done *[victimWriters]atomic.Uint64) error {
	var before [victimWriters]uint64
	for partition := range done {
		before[partition] = done[partition].Load()
	}
	s.res.MaxAtRisk = max(s.res.MaxAtRisk, saver.Stats().AtRisk)
	err := saver.Save(ctx)
	var typed *snapshot.Error
	switch {
	case err == nil:
		s.promise, s.ordinal = before, saver.Stats().Ordinal
	case !errors.As(err, &typed) || !errors.Is(err, faultstore.ErrInjected):
		return err
	}
	time.Sleep(time.Millisecond) // a fault that lasts fails at once; there is no need to fill the log with it
	return nil
}

// tidy wants nothing about that belongs to no snapshot, and every snapshot whole.
func (s *saving) tidy(ctx context.Context, b sinks.BlobStore) error {
	found, err := snapshot.Verify(ctx, b, snapshot.DefaultName, nil)
	if err != nil {
		return err
	}
	if n := len(found.Snapshots); n > s.Keep || len(found.Unused)+len(found.Foreign) > 0 {
		return fmt.Errorf("%d snapshots, %d are kept; nobody needs %v; foreign: %v", n, s.Keep, found.Unused, found.Foreign)
	}
	return nil
}

// placeFor returns a place of the driver of that name.
func placeFor(driver string) place {
	list := places()
	return list[slices.IndexFunc(list, func(p place) bool { return p.name == driver })]
}

// drawDriver draws files instead of a server that is not there.
func (p *programme) drawDriver() string {
	servers := map[string]string{"s3": "EPHEMERA_TEST_S3", "postgres": "EPHEMERA_TEST_POSTGRES"}
	d := []string{"file", "file", "sqlite", "mem", "s3", "postgres"}[p.rng.IntN(6)]
	if variable := servers[d]; variable != "" && os.Getenv(variable) == "" {
		return "file"
	}
	return d
}

func (p *programme) snapshot(ctx context.Context, t *testing.T, seed uint64) (plan any, err error) {
	s := savingPlan{
		Seed: seed, Driver: p.drawDriver(),
		Faults: savingFaults[p.rng.IntN(len(savingFaults))], Abrupt: p.rng.IntN(2) == 0,
		Lives: 2 + p.rng.IntN(4), Life: time.Duration(p.pickSize(2e9, 5e7)), Capacity: p.between(100, p.pickSize(200_000, 5_000)),
		Keep: 1 + p.rng.IntN(4), MaxConcurrent: 1 + p.rng.IntN(4), MaxAttempts: 1 + p.rng.IntN(4),
		EveryEvents: p.rng.IntN(2) * p.between(100, 1_000_000), Compression: snapshot.Compression(p.rng.IntN(3)),
	}
	res, err := saveAndRestart(ctx, s, placeFor(s.Driver).url(t))
	p.Appended += res.Appended
	p.RestoredEvents += res.Restored
	p.Snapshots += res.Snapshots
	p.FailedSaves += res.Failures
	p.MaxAtRisk = max(p.MaxAtRisk, res.MaxAtRisk)
	return s, err
}

// A killingPlan describes processes that save and are killed, one after the other.
type killingPlan struct {
	Driver string
	Kills  int
}

func (p *programme) snapshotKill(ctx context.Context, t *testing.T, _ uint64) (plan any, err error) {
	c := killingPlan{p.drawDriver(), int(p.pickSize(10, 2))}
	if c.Driver == "mem" {
		c.Driver = "file" // what a process has in memory does not survive it
	}
	w, points := &ward{url: placeFor(c.Driver).url(t)}, failpoints()
	w.visit(t)
	for i := 0; i < c.Kills && ctx.Err() == nil; i++ {
		point := points[p.rng.IntN(len(points))]
		if !w.child(t, point, nil, 0, 0) {
			return c, fmt.Errorf("kill %d: failpoint %+v is not reached", i, point)
		}
		w.visit(t)
		p.Kills++
	}
	p.Snapshots += w.ordinal
	return c, nil
}

// TestSnapshotProgramme is the snapshot's part of the programme with every fault, once with a final snapshot and once
// without, on every driver.
func TestSnapshotProgramme(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	total := savingResult{}
	for i, faults := range savingFaults {
		for n, driver := range []string{"mem", "file", "sqlite"} {
			x := mix(seed + uint64(3*i+n))
			p := savingPlan{
				Seed: x, Driver: driver, Faults: faults, Abrupt: (i+n)%2 == 0, Lives: 3, Life: pick[time.Duration](60, 20, 60) * time.Millisecond,
				Capacity: 2000, Keep: 1 + int(x%3), MaxConcurrent: 1 + int(x>>8%3), MaxAttempts: 1 + int(x>>16%3),
				EveryEvents: 1000, Compression: snapshot.Compression(x >> 24 % 3),
			}
			res, err := saveAndRestart(t.Context(), p, placeFor(driver).url(t))
			if err != nil {
				t.Errorf("%+v: %v", p, err)
			}
			total.Appended += res.Appended
			total.Restored += res.Restored
			total.Snapshots += res.Snapshots
			total.Failures += res.Failures
			total.Retries += res.Retries
			total.MaxAtRisk = max(total.MaxAtRisk, res.MaxAtRisk)
		}
	}
	t.Logf("%+v", total)
	if total.Restored == 0 || total.Snapshots == 0 || total.Failures == 0 || total.Retries == 0 || total.MaxAtRisk == 0 {
		t.Errorf("the test proves nothing: %+v", total)
	}
}
