package window

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

// liar is a store whose answers to reads the test makes up.
type liar struct {
	sinks.SignalStore
	stat   *sinks.SignalStat
	newest func(before uint64, limit int) []sinks.Signal
}

func (l *liar) Stat(ctx context.Context) (sinks.SignalStat, error) {
	if l.stat != nil {
		return *l.stat, nil
	}
	return l.SignalStore.Stat(ctx)
}

func (l *liar) ReadNewest(_ context.Context, before uint64, limit int) ([]sinks.Signal, error) {
	return l.newest(before, limit), nil
}

// Whatever a store gives, Load takes all of it as it should be or nothing, ends, and the window goes on.
func TestLoadOfGarbage(t *testing.T) {
	row := func(sequence uint64) sinks.Signal {
		return sinks.Signal{Sequence: sequence, Time: noon, Name: "old", Key: fmt.Sprint(sequence)}
	}
	list := func(rows ...sinks.Signal) func(uint64, int) []sinks.Signal {
		return func(uint64, int) []sinks.Signal { return rows }
	}
	bad := func(change func(*sinks.Signal)) func(uint64, int) []sinks.Signal {
		s := row(5)
		change(&s)
		return list(row(4), s)
	}
	for what, newest := range map[string]func(uint64, int) []sinks.Signal{
		"the same for ever": list(row(3), row(4)),
		"descending":        list(row(4), row(3)),
		"twice":             list(row(3), row(3)),
		"of this run":       list(row(10), row(11)),
		"more than asked": func(_ uint64, limit int) (rows []sinks.Signal) {
			for i := range limit + 1 {
				rows = append(rows, row(uint64(i+1)))
			}
			return rows
		},
		"sequence 0":   list(row(0)),
		"no name":      bad(func(s *sinks.Signal) { s.Name = "" }),
		"no UTF-8":     bad(func(s *sinks.Signal) { s.Name = "\xff" }),
		"long key":     bad(func(s *sinks.Signal) { s.Key = strings.Repeat("k", 1<<20) }),
		"year 20000":   bad(func(s *sinks.Signal) { s.Time = noon.AddDate(18_000, 0, 0) }),
		"path of 1000": bad(func(s *sinks.Signal) { s.Path = make([]string, 1000) }),
	} {
		c := newClock()
		store := &liar{SignalStore: memory(t), stat: &sinks.SignalStat{Last: 9}, newest: newest}
		o := manual(store)
		o.Clock, o.Capacity = c.now, 20
		w := open(t, o)
		raise(t, w, "mine", "mine")
		_, err := w.Load(t.Context(), LoadOptions{Replay: true})
		wantError(t, what, err, sinks.ErrCorrupt)
		got := sense(t, w, "")
		if len(got) != 2 || got[0].Sequence != 10 || got[1].Sequence != 11 || w.Stats().Names != 1 {
			t.Errorf("%s: %+v", what, got)
		}
		store.newest = list()
		load(t, w, LoadOptions{})
		balanced(t, w)
	}
}

// A store that is at the end of its sequences cannot take another signal, so there is no window on it.
func TestNoSequenceIsLeft(t *testing.T) {
	for _, last := range []uint64{sinks.MaxSequence, math.MaxUint64} {
		_, err := New(t.Context(), Options{Store: &liar{SignalStore: memory(t), stat: &sinks.SignalStat{Last: last}}})
		wantError(t, fmt.Sprint(last), err, sinks.ErrInvalid)
	}
	w := open(t, Options{Store: &liar{SignalStore: memory(t), stat: &sinks.SignalStat{Last: sinks.MaxSequence - 1}}})
	raise(t, w, "the last one")
	wantError(t, "Flush", w.Flush(t.Context()), nil)
}

// Only what is restored makes names known: thousands of old ones that have expired do not use MaxNames up.
func TestLoadLearnsOnlyWhatItRestores(t *testing.T) {
	store, c := memory(t), newClock()
	var rows []sinks.Signal
	for i := range 300 {
		at := noon.Add(-time.Hour)
		if i >= 290 {
			at = noon
		}
		rows = append(rows, sinks.Signal{Sequence: uint64(i + 1), Time: at, Name: fmt.Sprint("old.", i)})
	}
	wantError(t, "Append", store.Append(t.Context(), rows), nil)
	o := manual(store)
	o.Clock, o.MaxNames, o.Capacity = c.now, 7, 1000
	w := open(t, o)
	raise(t, w, "mine")
	equal(t, "report", load(t, w, LoadOptions{}), LoadReport{Read: 300, Restored: 6, Expired: 290, Refused: 4})
	equal(t, "names", names(sense(t, w, "")), []string{"old.294", "old.295", "old.296", "old.297", "old.298", "old.299", "mine"})
}

type hanging struct {
	sinks.SignalStore
	release chan struct{}
}

func (h *hanging) Append(context.Context, []sinks.Signal) error {
	<-h.release
	return errors.New("released")
}

func (h *hanging) ReadNewest(context.Context, uint64, int) ([]sinks.Signal, error) {
	<-h.release
	return nil, errors.New("released")
}

// A store that hangs and knows no contexts holds up nobody whose context ends, in whatever order they came.
func TestHangingStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := memory(t)
		earlier(t, inner, 1, always(time.Now()))
		h := &hanging{inner, make(chan struct{})}
		w, err := New(t.Context(), Options{Store: h, Clock: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		raise(t, w, "a")
		short := func() context.Context {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			t.Cleanup(cancel)
			return ctx
		}
		timed := func(what string, f func() error) {
			begin := time.Now()
			wantError(t, what, f(), context.DeadlineExceeded)
			if d := time.Since(begin); d != time.Second {
				t.Errorf("%s took %v", what, d)
			}
		}
		loads, closes := make(chan error), make(chan error)
		go func() { _, err := w.Load(context.Background(), LoadOptions{}); loads <- err }()
		synctest.Wait()
		timed("Load during a Load", func() error { _, err := w.Load(short(), LoadOptions{}); return err })
		timed("Flush", func() error { return w.Flush(short()) })
		timed("Flush during a Flush", func() error { return w.Flush(short()) })
		balanced(t, w)
		go func() { closes <- w.Close() }()
		synctest.Wait()
		timed("Shutdown during Close", func() error { return w.Shutdown(short()) })
		wantError(t, "Flush during Close", w.Flush(context.Background()), ErrClosed)
		if s := balanced(t, w); s.Pending != 1 {
			t.Errorf("%+v", s)
		}
		close(h.release)
		if <-loads == nil || <-closes == nil || w.Close() == nil {
			t.Error("the failure is not told")
		}
		balanced(t, w)
	})
	synctest.Test(t, func(t *testing.T) {
		h := &hanging{memory(t), make(chan struct{})}
		w, err := New(t.Context(), Options{Store: h, Clock: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		raise(t, w, "a")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wantError(t, "Shutdown", w.Shutdown(ctx), context.DeadlineExceeded)
		wantError(t, "Shutdown again", w.Close(), context.DeadlineExceeded)
		wantError(t, "Flush", w.Flush(context.Background()), ErrClosed)
		equal(t, "pending", balanced(t, w).Pending, uint64(1))
		close(h.release)
		synctest.Wait()
		balanced(t, w)
	})
}

// Drops are told although the write that causes them never ends.
func TestDropsAreToldWhileAWriteHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, _, plan := faulty(t, "append:* stall")
		w := open(t, Options{Store: store, Clock: time.Now, Capacity: 10, MaxPerFlush: 5})
		raiseMany(t, w, 10)
		synctest.Wait()
		raiseMany(t, w, 100)
		time.Sleep(maxKeep)
		synctest.Wait()
		list := sense(t, w.Diagnostics(), "window.dropped")
		if s := balanced(t, w); len(list) != 1 || list[0].Key != fmt.Sprint(s.Dropped) || s.Dropped == 0 {
			t.Errorf("told %v of %+v", list, s)
		}
		plan.Clear()
	})
}

// prunePanics is a store that panics when it is asked to prune.
type prunePanics struct{ sinks.SignalStore }

func (prunePanics) Prune(context.Context, time.Time, uint64, int) (int, error) { panic("prune") }

func TestStoreThatPanicsInPrune(t *testing.T) {
	o := manual(prunePanics{memory(t)})
	o.RetainCount = 1
	w := open(t, o)
	raise(t, w, "a", "b")
	flush(t, w)
	equal(t, "told", len(told(t, w, "window.prune.error")), 1)
}

// picky is a store that takes no more than so many bytes in one write, as all stores do at some size.
type picky struct {
	sinks.SignalStore
	most int
}

func (p *picky) Append(ctx context.Context, batch []sinks.Signal) error {
	n := 0
	for i := range batch {
		n += sizeOf(&batch[i])
	}
	if n > p.most {
		return fmt.Errorf("%w: %d bytes", sinks.ErrInvalid, n)
	}
	return p.SignalStore.Append(ctx, batch)
}

// Large signals are written in smaller batches, or one batch that is above what the store takes would block for ever.
func TestBatchesAreBoundedInBytes(t *testing.T) {
	store := &picky{memory(t), 20 << 20}
	w := open(t, manual(store))
	data := make([]byte, sinks.MaxDataBytes)
	for range 100 {
		if _, err := w.RaiseSignal(Signal{Name: "large", Data: data}); err != nil {
			t.Fatal(err)
		}
	}
	raiseMany(t, w, 1500)
	flush(t, w)
	if s := balanced(t, w); s.Persisted != 1600 || s.Batches != 8 {
		t.Errorf("%+v", s)
	}
}

// What the window accepts every store accepts, so that no signal blocks those behind it.
func FuzzSignal(f *testing.F) {
	f.Add("a", "k", "x", int64(0), int64(5), []byte("d"), 3)
	f.Add("", "\x00", "", int64(253402300800), int64(-1), []byte(nil), 65)
	f.Add("\xff", strings.Repeat("k", 4097), strings.Repeat("n", 1025), int64(-62135596801), int64(1<<40), []byte("d"), 1)
	f.Add(strings.Repeat("n", 1024), strings.Repeat("k", 4096), "ü", int64(253402300799), int64(999_999_999), []byte("d"), 64)
	w, err := New(f.Context(), Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = w.Close() })
	f.Fuzz(func(t *testing.T, name, key, cause string, sec, nsec int64, data []byte, depth int) {
		s := Signal{Name: name, Key: key, Time: time.Unix(sec, nsec), Data: data}
		for range min(max(depth, 0), 70) {
			s.Path = append(s.Path, cause)
		}
		if s.Time.IsZero() || w.Stats().Names > 60_000 {
			return
		}
		_, err := w.RaiseSignal(s)
		want := sinks.CheckSignal(&sinks.Signal{Sequence: 1, Time: s.Time, Name: s.Name, Key: s.Key, Path: s.Path, Data: s.Data})
		if (err == nil) != (want == nil) {
			t.Errorf("raised: %v, a store says: %v", err, want)
		}
	})
}
