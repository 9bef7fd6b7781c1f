package snapshot

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/faultstore"
)

// In a bubble of synctest a test ends only when every goroutine of it has ended, so that all of these are tests for leaks
// too.

func unsavedOf(t *testing.T, err error) *UnsavedError {
	t.Helper()
	u := (*UnsavedError)(nil)
	if !errors.As(err, &u) || !errors.Is(err, ErrUnsaved) {
		t.Fatalf("error %v is no UnsavedError", err)
	}
	return u
}

// TestShutdownOfAHungStore: Close ends in time whatever the blob store does, and tells what is not saved.
func TestShutdownOfAHungStore(t *testing.T) {
	for what, running := range map[string]func(s *Saver[trade]){
		"idle":            func(*Saver[trade]) {},
		"while Save runs": func(s *Saver[trade]) { _ = s.Save(context.Background()) },
		"while Run runs":  func(s *Saver[trade]) { _ = s.Run(context.Background()) },
		"while both of it run": func(s *Saver[trade]) {
			go func() { _ = s.Run(context.Background()) }()
			_ = s.Save(context.Background())
		},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var p place
				o := manual()
				o.Manual, o.Interval = false, time.Millisecond
				blobs := p.handle(t)
				s := open(t, blobs, keyed(3), o)
				fill(t, s.Store(), 0, 100)
				save(t, s)
				fillPartition(t, s.Store(), 1, 100, 105)
				fillPartition(t, s.Store(), 2, 105, 107)
				stalled, err := faultstore.Parse("put:* stall")
				must(t, err)
				s.blobs, s.putter.blobs = faultstore.Blobs(blobs, stalled), faultstore.Blobs(blobs, stalled)
				go running(s)
				time.Sleep(time.Second)
				synctest.Wait()
				begin := time.Now()
				u := unsavedOf(t, s.Close())
				if d := time.Since(begin); d > DefaultFinalTimeout {
					t.Errorf("Close took %v", d)
				}
				same(t, "partitions", u.Partitions, []int{1, 2})
				same(t, "events", u.Events, 7)
				if !errors.Is(u, context.DeadlineExceeded) && !errors.Is(u, context.Canceled) {
					t.Error(u)
				}
				if again := s.Close(); again != s.result {
					t.Error(again)
				}
				fails(t, s.Save(t.Context()), ErrClosed)
				must(t, s.Run(t.Context()))
				must(t, p.handle(t).Delete(t.Context(), "lease/free")) // the lease is given up
			})
		})
	}
}

// deaf is a store that hangs and does not heed contexts until it is released.
type deaf struct {
	sinks.BlobStore
	hangs   sync.Once
	hanging chan struct{}
	free    chan struct{}
}

func (d *deaf) Put(ctx context.Context, name string, size int64, r io.Reader) error {
	d.hangs.Do(func() { close(d.hanging) })
	<-d.free
	return d.BlobStore.Put(ctx, name, size, r)
}

// deafDelete is a store whose Delete hangs so.
type deafDelete struct {
	sinks.BlobStore
	free chan struct{}
}

func (d deafDelete) Delete(ctx context.Context, name string) error {
	<-d.free
	return d.BlobStore.Delete(ctx, name)
}

// TestHangBehindTheFinalSnapshot: what hangs once everything is saved does not make Close say that it is not.
func TestHangBehindTheFinalSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p place
		d := deafDelete{p.handle(t), make(chan struct{})}
		o := manual()
		o.Keep, o.NoLease = 1, true
		s := open(t, d, one(), o)
		fill(t, s.Store(), 0, 10)
		save(t, s)
		fill(t, s.Store(), 10, 20)
		err := s.Close()
		fails(t, err, context.DeadlineExceeded)
		if errors.Is(err, ErrUnsaved) {
			t.Error(err)
		}
		if m := p.newest(t); !m.Final || m.Events() != 20 {
			t.Errorf("%+v", m)
		}
		close(d.free)
		synctest.Wait()
	})
}

// TestHangWithoutAFinalSnapshot: NoFinal has Close say nothing of events at risk, also when the store hangs.
func TestHangWithoutAFinalSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p place
		d := &deaf{BlobStore: p.handle(t), hanging: make(chan struct{}), free: make(chan struct{})}
		o := manual()
		o.NoFinal, o.NoLease = true, true
		s := open(t, d, one(), o)
		fill(t, s.Store(), 0, 10)
		saved := make(chan error, 1)
		go func() { saved <- s.Save(context.Background()) }()
		<-d.hanging
		err := s.Close()
		fails(t, err, context.DeadlineExceeded)
		if errors.Is(err, ErrUnsaved) {
			t.Error(err)
		}
		close(d.free)
		if err := <-saved; err != nil { // it may have ended well
			t.Log(err)
		}
		synctest.Wait()
	})
}

func TestShutdownOfADeafStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p place
		d := &deaf{BlobStore: p.handle(t), hanging: make(chan struct{}), free: make(chan struct{})}
		s := open(t, d, one(), manual())
		fill(t, s.Store(), 0, 10)
		saved := make(chan error, 1)
		go func() { saved <- s.Save(context.Background()) }()
		<-d.hanging
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		u := unsavedOf(t, s.Shutdown(ctx))
		if d := time.Since(begin); d < time.Second || d > time.Second+DefaultFinalTimeout/10 {
			t.Errorf("Shutdown took %v", d)
		}
		same(t, "events", u.Events, 10)
		if !strings.Contains(u.Error(), "10 events of partitions [0] not saved") || !errors.Is(u, context.DeadlineExceeded) {
			t.Error(u)
		}
		close(d.free) // what was left behind ends, too
		fails(t, <-saved, context.Canceled)
		synctest.Wait()
	})
}

// TestCloseDrains: a snapshot that is being taken comes to its end, and the final one takes over what it has written.
func TestCloseDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p place
		blobs, plan := p.faulty(t, "put:1 delay 1s")
		s := open(t, blobs, one(), manual())
		fill(t, s.Store(), 0, 10)
		saved := make(chan error, 1)
		go func() { saved <- s.Save(context.Background()) }()
		<-plan.Reached("put", 1)
		fill(t, s.Store(), 10, 12)
		must(t, s.Close())
		must(t, <-saved)
		list := p.manifests(t, DefaultName)
		same(t, "snapshots", len(list), 2)
		same(t, "final", []bool{list[0].Final, list[1].Final}, []bool{false, true})
		same(t, "events", []uint64{list[0].Events(), list[1].Events()}, []uint64{10, 12})
	})
}

// TestCloseEndsRetries: while Close waits, a snapshot that fails is not tried again; the final one is.
func TestCloseEndsRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p place
		blobs, plan := p.faulty(t, "put:1-2 error io")
		o := manual()
		o.Backoff = Backoff{Base: time.Second, Max: time.Hour}
		s := open(t, blobs, one(), o)
		fill(t, s.Store(), 0, 10)
		saved := make(chan error, 1)
		go func() { saved <- s.Save(context.Background()) }()
		<-plan.Reached("put", 1)
		synctest.Wait()
		begin := time.Now()
		must(t, s.Close())
		fails(t, <-saved, faultstore.ErrInjected)
		if d := time.Since(begin); d > 2*time.Second {
			t.Errorf("Close took %v", d)
		}
		same(t, "final", p.newest(t).Final, true)
		same(t, "calls", plan.Calls("put"), 4)
	})
}

func TestCloseInEveryOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p place
		s := open(t, p.handle(t), one(), manual())
		must(t, s.Close())
		must(t, s.Run(t.Context())) // Close came first: there is nothing to do
		must(t, s.Close())
		_, err := s.Store().Append(nth(1))
		same(t, "closed", errors.Is(err, core.ErrClosed), true)
		must(t, s.blobs.Close())

		s = open(t, p.handle(t), one(), manual())
		ran := make(chan error, 2)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { ran <- s.Run(ctx) }()
		go func() { ran <- s.Run(t.Context()) }()
		synctest.Wait()
		cancel()
		must(t, <-ran)
		for range 3 {
			go func() { _ = s.Close() }()
		}
		must(t, s.Close())
		must(t, <-ran)
		s.Stats()
		s.PartitionStats()
	})
}

// TestCloseAmongSaves has everything happen at once. Whoever was told that a snapshot is taken finds it.
func TestCloseAmongSaves(t *testing.T) {
	for range 10 {
		var p place
		o := manual()
		o.Manual, o.EveryEvents = false, 1
		s := open(t, p.handle(t), keyed(2), o)
		var all sync.WaitGroup
		all.Go(func() {
			if err := s.Run(t.Context()); err != nil {
				t.Error(err)
			}
		})
		for w := range 3 {
			all.Go(func() {
				for n := 0; ; n++ {
					if _, err := s.Store().Append(nth(w*1000 + n)); err != nil {
						return
					}
					if err := s.Save(t.Context()); err != nil {
						if !errors.Is(err, ErrClosed) {
							t.Error(err)
						}
						return
					}
					if _, err := consistent(s); err != nil {
						t.Error(err)
					}
				}
			})
		}
		for s.Stats().Snapshots < 5 {
			fill(t, s.Store(), 0, 1)
		}
		must(t, s.Close())
		all.Wait()
		want := content(t, s.Store())
		must(t, s.blobs.Close())
		again := open(t, p.handle(t), keyed(2), manual())
		same(t, "restored", content(t, again.Store()), want)
		same(t, "epoch", again.Store().Epoch(), s.Store().Epoch())
	}
}

// TestFinalWaitsForWriters: an event that a writer has not published yet is waited for; if the writer has stalled, what can
// be saved is, and the snapshot is not final.
func TestFinalWaitsForWriters(t *testing.T) {
	for _, moments := range []int{100, 1 << 30} {
		synctest.Test(t, func(t *testing.T) {
			var p place
			s := open(t, p.handle(t), one(), manual())
			fill(t, s.Store(), 0, 10)
			calls := 0
			s.stalled = func() uint64 {
				if calls++; calls < moments {
					return 1
				}
				return 0
			}
			begin := time.Now()
			err := s.Close()
			m, d := p.newest(t), time.Since(begin)
			same(t, "events", m.Events(), 10)
			whole := moments == 100
			if m.Final != whole || whole && d > time.Second || d > DefaultFinalTimeout/2 {
				t.Errorf("final %v after %v", m.Final, d)
			}
			if errors.Is(err, errStalled) == whole || (err == nil) != whole {
				t.Error(err)
			}
		})
	}
}

// TestFailedFinal: what Close could not save it lists, and the next start begins a new epoch.
func TestFailedFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p place
		blobs, _ := p.faulty(t, "put:4+ error full")
		o := manual()
		s := open(t, blobs, keyed(2), o)
		fill(t, s.Store(), 0, 100)
		save(t, s)
		fillPartition(t, s.Store(), 1, 100, 103)
		u := unsavedOf(t, s.Close())
		same(t, "partitions", u.Partitions, []int{1})
		same(t, "events", u.Events, 3)
		must(t, blobs.Close())

		s = open(t, p.handle(t), keyed(2), o)
		if r := s.Report(); !r.NewEpoch || r.Final || r.Events != 100 {
			t.Errorf("%+v", r)
		}
		must(t, s.Close())

		blobs, _ = p.faulty(t, "put:2+ error full") // the first is the mark
		s = open(t, blobs, keyed(2), o)
		u = unsavedOf(t, s.Close())
		same(t, "events", u.Events, 0)
		if !strings.HasPrefix(u.Error(), "no event is unsaved") {
			t.Error(u)
		}
	})
}

func TestUnsavedErrorIsShort(t *testing.T) {
	u := &UnsavedError{Partitions: make([]int, 12), Events: 5, Err: io.EOF}
	same(t, "text", u.Error(), "5 events of partitions [0 0 0 0 0 0 0 0 0 0] and 2 more not saved: EOF")
}
