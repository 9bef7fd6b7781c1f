//go:build !explore

package core

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// hammerText builds an event that proves itself: who wrote it, its number, its place in a batch of a size.
func hammerText(writer, n, at, of int) string {
	s := fmt.Sprintf("%d/%d/%d/%d", writer, n, at, of)
	return s + "#" + strconv.Itoa(len(s)*31+writer)
}

type hammerEvent struct{ writer, n, at, of int }

func parseHammer(s string) (e hammerEvent, err error) {
	body, check, _ := strings.Cut(s, "#")
	rest := body
	for _, to := range []*int{&e.writer, &e.n, &e.at, &e.of} {
		var text string
		text, rest, _ = strings.Cut(rest, "/")
		n, bad := strconv.Atoi(text)
		if *to = n; bad != nil {
			return e, fmt.Errorf("torn event %q", s)
		}
	}
	if check != strconv.Itoa(len(body)*31+e.writer) {
		return e, fmt.Errorf("torn event %q", s)
	}
	return e, nil
}

// auditCut checks what one cut of string events shows, and returns its text for a second look. At the old end the
// capacity may have taken a part of a batch.
func auditCut(c *Cut[string]) (all string, err error) {
	var b strings.Builder
	last := map[int]hammerEvent{} // by writer
	seq := map[int]uint64{}       // by partition
	for pos, e := range c.All() {
		h, err := parseHammer(*e)
		if err != nil {
			return "", fmt.Errorf("%v: %w", pos, err)
		}
		if before, ok := seq[pos.Partition]; ok && pos.Sequence != before+1 {
			return "", fmt.Errorf("%v follows %d", pos, before)
		}
		if old, ok := last[h.writer]; ok {
			if h.n <= old.n {
				return "", fmt.Errorf("%v: writer %d: %d after %d", pos, h.writer, h.n, old.n)
			}
			if (old.at+1 < old.of) != (h.at > 0) || h.at > 0 && (h.at != old.at+1 || h.n != old.n+1) {
				return "", fmt.Errorf("%v: writer %d: torn batch: %v after %v", pos, h.writer, h, old)
			}
		}
		last[h.writer], seq[pos.Partition] = h, pos.Sequence
		b.WriteString(*e)
	}
	for w, h := range last {
		if h.at+1 < h.of {
			return "", fmt.Errorf("writer %d: batch ends at %v", w, h)
		}
	}
	return b.String(), nil
}

// hammerWriter appends at least total events in every way a shared partition offers, as long as busy says.
func hammerWriter(s *Store[string], writer, total int, busy func() bool, conflicts *atomic.Int64) error {
	n := 0
	for k := 0; n < total || busy(); k++ {
		size := 1
		if k%4 > 1 {
			size = 2 + k%9
		}
		batch := make([]string, size)
		for i := range batch {
			batch[i] = hammerText(writer, n+i, i, size)
		}
		var err error
		switch {
		case k%4 == 3:
			for next, _ := s.Next(0); ; {
				var pos Position
				if pos, err = s.AppendIf(0, next, batch...); !errors.Is(err, ErrConflict) {
					break
				}
				conflicts.Add(1)
				next = pos.Sequence
			}
		case size > 1:
			_, err = s.AppendBatch(batch)
		default:
			_, err = s.Append(batch[0])
		}
		if err != nil {
			return err
		}
		if n += size; n > total {
			runtime.Gosched() // the rest is for the readers
		}
	}
	return nil
}

// audits opens cuts until stop, looks at each twice, and checks that capacity and order hold in all of them.
func audits(s *Store[string], capacity int, stop *atomic.Bool, rounds *atomic.Int64) error {
	for ; !stop.Load(); rounds.Add(1) {
		c := s.Cut()
		first, err := auditCut(c)
		if err == nil && c.Len() > capacity {
			err = fmt.Errorf("cut of %d events, capacity %d", c.Len(), capacity)
		}
		runtime.Gosched()
		if err == nil {
			var again string
			if again, err = auditCut(c); err == nil && again != first {
				err = errors.New("cut changed while it was open")
			}
		}
		c.Close()
		if err != nil {
			rounds.Add(1 << 40) // the writers need not go on
			return err
		}
	}
	return nil
}

// Eight writers, three readers: nothing torn, lost, doubled or out of order, batches whole, every event accounted for.
func TestHammerMixedAppends(t *testing.T) {
	for _, capacity := range []int{1, 100, 1024, 8192} {
		t.Run(fmt.Sprint("capacity=", capacity), func(t *testing.T) { hammerMixed(t, capacity) })
	}
}

func hammerMixed(t *testing.T, capacity int) {
	var calls atomic.Uint64
	s := mustNew(t, Options[string]{
		Capacity: capacity, Arrival: true, MaxPending: 1 << 26,
		OnDiscard: func(Position, *string) { calls.Add(1) },
	})
	r, err := NewRollup(s, Counting[string](), RollupOptions{Name: "count", Retain: time.Hour})
	wantError(t, "NewRollup", err, nil)
	var (
		writers, readers sync.WaitGroup
		stop             atomic.Bool
		conflicts, seen  atomic.Int64
		total            = pick(40_000, 2_000)
		rounds           = int64(pick(30, 6))
	)
	for w := range 8 {
		writers.Go(func() {
			if err := hammerWriter(s, w, total, func() bool { return seen.Load() < rounds }, &conflicts); err != nil {
				t.Errorf("writer %d: %v", w, err)
			}
		})
	}
	for range 3 {
		readers.Go(func() {
			if err := audits(s, capacity, &stop, &seen); err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	stop.Store(true)
	readers.Wait()
	mustSync(t, s)
	l := s.Ledger()
	checkLedger(t, l)
	if l.Visible != uint64(capacity) || l.Discarded != l.Appended-l.Visible || l.OpenCuts != 0 || l.Undelivered != 0 {
		t.Errorf("at the end: %+v", l)
	}
	if calls.Load() != l.Discarded {
		t.Errorf("OnDiscard ran %d times for %d discards", calls.Load(), l.Discarded)
	}
	a, err := r.Query(time.Time{}, time.Time{})
	if err != nil || a.Value != l.Appended || !a.Exact() {
		t.Errorf("rollup: %+v, %v, want all %d", a, err, l.Appended)
	}
	t.Logf("%d appended, %d conflicts, %d cuts", l.Appended, conflicts.Load(), seen.Load())
}

// A thousand writers on sixteen places: every position once, and the account is exact.
func TestHammerThousandWriters(t *testing.T) {
	const writers = 1000
	each := pick(200, 40)
	s := mustNew(t, Options[string]{Capacity: 16})
	seen := make([]atomic.Bool, writers*each)
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for n := range each {
				pos, err := s.Append(hammerText(w, n, 0, 1))
				if err != nil || seen[pos.Sequence].Swap(true) {
					t.Errorf("writer %d: %v twice, or error %v", w, pos, err)
					return
				}
			}
		})
	}
	group.Wait()
	l := s.Ledger()
	checkLedger(t, l)
	if l.Appended != uint64(writers*each) || l.Visible != 16 || l.Discarded != l.Appended-16 {
		t.Errorf("ledger %+v", l)
	}
	c := s.Cut()
	defer c.Close()
	if _, err := auditCut(c); err != nil {
		t.Error(err)
	}
}

// More goroutines than lanes, and a collector that takes tokens away: every event is stored once, whole batches are
// visible as a whole.
func TestHammerLanes(t *testing.T) {
	const writers = 16
	each := pick(4000, 400)
	s := mustNew(t, Options[string]{Capacity: 1 << 20, Lanes: 3})
	s.lanes.openFor = 128 // lanes are opened and tried as exclusive ones all the time
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for n := 0; n < each; n += 4 {
				batch := []string{hammerText(w, n, 0, 3), hammerText(w, n+1, 1, 3), hammerText(w, n+2, 2, 3)}
				if _, err := s.AppendBatch(batch); err != nil {
					t.Errorf("AppendBatch: %v", err)
				}
				if _, err := s.Append(hammerText(w, n+3, 0, 1)); err != nil {
					t.Errorf("Append: %v", err)
				}
				if n%400 == 0 {
					runtime.GC()
				}
			}
		})
	}
	group.Wait()
	checkLedger(t, s.Ledger())
	c := s.Cut()
	defer c.Close()
	got := map[string]bool{}
	for p := range s.Partitions() {
		for _, e := range c.Partition(p).All() {
			if _, err := parseHammer(*e); err != nil || got[*e] {
				t.Fatalf("event %q twice, or %v", *e, err)
			}
			got[*e] = true
		}
	}
	if len(got) != writers*each {
		t.Errorf("%d events, want %d", len(got), writers*each)
	}
	wantLanesBack(t, s)
}

// wantLanesBack waits until the lanes whose tokens the collector took are in use again.
func wantLanesBack(t *testing.T, s *Store[string]) {
	t.Helper()
	eventually(t, "an append uses a lane whose token was lost", func() bool {
		runtime.GC()
		pos, err := s.Append(hammerText(0, 0, 0, 1))
		return err == nil && pos.Partition < 3
	})
}

// A Producer and readers: what it says it stored is there.
func TestHammerProducer(t *testing.T) {
	s := mustNew(t, Options[string]{Capacity: 500})
	var stop atomic.Bool
	var seen atomic.Int64
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			if err := audits(s, 500, &stop, &seen); err != nil {
				t.Error(err)
			}
		})
	}
	n := 0
	for k := 0; k < pick(40, 8) || seen.Load() < int64(pick(200, 20)); k++ {
		w, err := s.Producer(0)
		wantError(t, "Producer", err, nil)
		for range 500 {
			_, err = w.Append(hammerText(0, n, 0, 1))
			wantError(t, "Producer.Append", err, nil)
			n++
		}
		wantError(t, "Producer.Close", w.Close(), nil)
		_, err = s.Append(hammerText(0, n, 0, 1))
		wantError(t, "Append", err, nil)
		n++
	}
	stop.Store(true)
	readers.Wait()
	if l := s.Ledger(); !l.Balanced() || l.Appended != uint64(n) || l.Visible != 500 {
		t.Errorf("%d appended: %+v", n, l)
	}
}
