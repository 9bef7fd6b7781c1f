package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/window"
)

// TestWindowSustained raises 100,000 signals per second into SQLite for EPHEMERA_SOAK_SECONDS; a write starts when half of
// the capacity waits. All of it is stored, and once the window is full memory does not grow. When the variable is set
// the rate must be reached too.
func TestWindowSustained(t *testing.T) {
	seconds, err := envNumber("EPHEMERA_SOAK_SECONDS", pick[uint64](5, 2, 2))
	must(t, err)
	rate := pick[uint64](100_000, 100_000, 20_000)
	store := openStore(t, sqliteURL(t, "synchronous=full"))
	w := openWindow(t, window.Options{
		Store: store, Capacity: int(rate) / 2, MaxPerFlush: 10_000, Overload: window.Block, MaxBlock: time.Minute,
	})
	s := sustained{t: t, w: w, rate: rate, total: seconds * rate}
	took := s.run()
	stats := w.Stats()
	t.Logf("%d signals in %v, at most %v late, %v", s.total, took, s.late, stats)
	if stats.Persisted != s.total || stats.Dropped != 0 || stats.Refused.Total() != 0 || stats.FlushFailures != 0 {
		t.Errorf("%+v", stats)
	}
	have, err := tallyStore(t.Context(), store)
	must(t, err)
	equal(t, "stored", have, map[string]uint64{"s": s.total})
	s.checkMemory()
	if want := time.Duration(seconds) * time.Second; os.Getenv("EPHEMERA_SOAK_SECONDS") != "" && took > want*21/20+time.Second {
		t.Errorf("it took %v", took)
	}
}

type sustained struct {
	t           *testing.T
	w           *window.Window
	rate, total uint64
	late        time.Duration
	heap, rss   []uint64
}

// run raises what is due at each tick, and catches up when the machine was busy elsewhere.
func (s *sustained) run() time.Duration {
	const samples = 8
	begin, tick := time.Now(), time.NewTicker(2*time.Millisecond)
	defer tick.Stop()
	full := 2 * uint64(s.w.Capacity())
	next := full
	for raised := uint64(0); raised < s.total; <-tick.C {
		at := time.Since(begin)
		due := min(s.total, next, uint64(at.Seconds()*float64(s.rate)))
		for ; raised < due; raised++ {
			if _, err := raiseOne(s.w, "s", raised); err != nil {
				s.t.Fatal(err)
			}
		}
		s.late = max(s.late, time.Since(begin)-at)
		if raised == next {
			s.sample()
			next += max(1, (s.total-full)/samples)
		}
	}
	must(s.t, s.w.Flush(context.Background()))
	s.sample()
	return time.Since(begin)
}

// sample measures memory when the window is at rest.
func (s *sustained) sample() {
	must(s.t, s.w.Flush(context.Background()))
	s.heap = append(s.heap, liveHeap())
	debug.FreeOSMemory()
	s.rss = append(s.rss, resident())
}

// resident returns the resident memory of the process, 0 where the system does not say.
func resident() uint64 {
	text, err := os.ReadFile("/proc/self/statm")
	fields := bytes.Fields(text)
	if err != nil || len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseUint(string(fields[1]), 10, 64)
	return pages * uint64(os.Getpagesize())
}

func (s *sustained) checkMemory() {
	s.t.Logf("live heap %v, resident %v", s.heap, s.rss)
	if len(s.heap) < 5 {
		s.t.Fatal("too few samples to tell whether memory grows")
	}
	for i := range s.heap {
		if s.heap[i] > s.heap[0]+slack || s.rss[i] > s.rss[0]+32<<20 {
			s.t.Errorf("memory grows: live heap %v, resident %v", s.heap, s.rss)
			break
		}
	}
}

// TestWindowOverloaded: a disk that stalls, is full, slow or forgets to answer. The policy holds, and every signal is
// stored, pending, or counted as dropped, at any moment.
func TestWindowOverloaded(t *testing.T) {
	policies := map[string]window.Policy{"drop-oldest": window.DropOldest, "drop-newest": window.DropNewest, "block": window.Block}
	faults := map[string]string{
		"stalls": "append:3 stall", "full": "append:3+ error full", "slow": "append:* delay 5ms", "mute": "append:3-6 lost-reply",
		"torn": "append:4-6 partial 7 signals io",
	}
	for fault, rules := range faults {
		for policy, p := range policies {
			t.Run(fault+"/"+policy, func(t *testing.T) { overload(t, rules, p) })
		}
	}
}

func overload(t *testing.T, rules string, policy window.Policy) {
	t.Helper()
	inner := openStore(t, sqliteURL(t, ""))
	store, plan := faulty(t, inner, rules)
	o := window.Options{
		Store: store, Capacity: 1000, MaxPending: 2000, MaxPerFlush: 200, HighWater: 500, Overload: policy,
		MaxBlock: 5 * time.Millisecond, FlushInterval: window.Forever, SampleEvery: 1 << 30,
	}
	w := openWindow(t, o)
	raiseNumbered(t, w, "first", 0, 600)
	within(t, plan.Reached("append", 3)) // the high water alone makes three writes
	patience := uint64(2000)
	if policy == window.Block {
		patience = 10 // each takes MaxBlock
	}
	accepted, refused := raiseAgainst(t, w, 4, pick[uint64](5000, 5000, 3000), patience)
	accepted["first"] = 600
	s := balancedStats(t, w)
	if s.Raised != sum(accepted) || s.Refused.Overloaded != refused || s.Refused.Total() != refused {
		t.Errorf("%d accepted, %d refused, %+v", sum(accepted), refused, s)
	}
	if s.Pending > uint64(o.MaxPending+o.MaxPerFlush) || policy != window.DropOldest && s.Dropped > 0 || policy == window.DropOldest && refused > 0 {
		t.Errorf("policy %d: %+v", policy, s)
	}
	if endless := strings.HasPrefix(rules, "append:3 stall") || strings.HasPrefix(rules, "append:3+"); endless && s.Dropped+refused == 0 {
		t.Error("the fault cost nothing: the test proves nothing")
	}
	plan.Clear()
	if err := w.Flush(t.Context()); err != nil && !errors.Is(err, window.ErrDropped) {
		t.Logf("the write that the fault met: %v", err)
	}
	must(t, w.Flush(t.Context()))
	s = balancedStats(t, w)
	rows, err := rowsOf(t.Context(), inner)
	must(t, err)
	stored := uint64(len(rows))
	switch {
	case s.Pending != 0 || s.Raised != s.Persisted+s.Dropped:
		t.Errorf("%+v", s)
	case policy != window.DropOldest:
		have, err := tally(rows)
		must(t, err)
		equal(t, "stored", have, accepted)
		equal(t, "persisted", s.Persisted, stored)
	case plan.Injected() == 0 || rules == "append:3+ error full": // no write without the window knowing
		equal(t, "persisted", s.Persisted, stored)
		fallthrough
	default:
		must(t, onceEach(rows, accepted))
		if stored < s.Persisted || stored > s.Persisted+s.Dropped {
			t.Errorf("%d rows, %+v", stored, s)
		}
	}
	told := uint64(0)
	for _, d := range sense(t, w.Diagnostics(), "window.dropped") {
		n, err := strconv.ParseUint(d.Key, 10, 64)
		must(t, err)
		told += n
	}
	equal(t, "drops told", told, s.Dropped+refused)
}

func sum(accepted map[string]uint64) (n uint64) {
	for _, x := range accepted {
		n += x
	}
	return n
}

// raiseAgainst lets several sources raise, while the accounts must balance all the time. A source gives up after
// so many refusals. It returns how many of each source were accepted.
func raiseAgainst(t *testing.T, w *window.Window, sources int, each, patience uint64) (accepted map[string]uint64, refused uint64) {
	t.Helper()
	accepted = map[string]uint64{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range sources {
		all.Go(func() {
			source, n, no := fmt.Sprint("s", i), uint64(0), uint64(0)
			for n < each && no < patience {
				switch _, err := raiseOne(w, source, n); {
				case err == nil:
					n++
				case errors.Is(err, window.ErrOverloaded):
					no++
				default:
					t.Error(err)
					return
				}
			}
			mu.Lock()
			defer mu.Unlock()
			if refused += no; n > 0 {
				accepted[source] = n
			}
		})
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		all.Wait()
	}()
	for {
		if err := balance(w.Stats()); err != nil {
			t.Error(err)
		}
		select {
		case <-over:
			return accepted, refused
		default:
		}
	}
}

// onceEach wants ascending rows, each of them raised, and none twice.
func onceEach(rows []sinks.Signal, accepted map[string]uint64) error {
	next := map[string]uint64{} // the least number that may come
	for i := range rows {
		source, n, err := origin(&rows[i])
		switch {
		case err != nil:
			return err
		case i > 0 && rows[i].Sequence <= rows[i-1].Sequence || n < next[source] || n >= accepted[source]:
			return fmt.Errorf("row %d is number %d of %s, at least %d and below %d was wanted",
				rows[i].Sequence, n, source, next[source], accepted[source])
		}
		next[source] = n + 1
	}
	return nil
}
