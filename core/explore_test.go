//go:build explore

package core

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/core/internal/atomicx"
	"github.com/ephemera-go/ephemera/core/internal/explore"
)

// The programs below run the partition's own code under every interleaving of its atomic operations, up to a bound on
// preemptions, with a happens-before check of every event slot. Slots have a publication word and a maintenance
// interval of their own here, so that a few appends pass every border.

// A lab is one small partition and what its threads saw.
type lab struct {
	t         *testing.T
	p         *partition[uint64]
	returned  map[uint64]uint64 // offset -> event, of appends that returned
	seen      map[uint64]uint64 // offset -> event, of cuts
	delivered []uint64
	attempts  int
}

func newLab(t *testing.T, unit, capacity int, change func(*config[uint64])) *lab {
	l := &lab{t: t, returned: map[uint64]uint64{}, seen: map[uint64]uint64{}}
	c := &config[uint64]{maxPending: 1 << 20, now: func() time.Time { return time.Unix(1, 0) }}
	if change != nil {
		change(c)
	}
	l.p = newPartition(c, 0, capacity, 0)
	l.p.unit = unit
	l.p.limit = 2
	s := newSegment[uint64](0, unit, false)
	s.resv.Store(openWord(0))
	l.p.tail.Store(s)
	l.p.head.Store(s)
	l.p.hint.Store(s)
	return l
}

func (l *lab) note(pos Position, values ...uint64) {
	for i, v := range values {
		q := pos.Sequence + uint64(i)
		if old, ok := l.returned[q]; ok {
			explore.Fail("offset %d given to %d and to %d", q, old, v)
		}
		l.returned[q] = v
	}
}

func (l *lab) append(v uint64) error {
	l.attempts++
	s := Store[uint64]{only: l.p, direct: []*partition[uint64]{l.p}}
	var pos Position
	var err error
	switch v % 3 { // each copy of the loop
	case 0:
		pos, err = s.Append(v)
	case 1:
		pos, err = s.AppendTo(0, v)
	case 2:
		pos, err = l.p.append(v)
	}
	if err == nil {
		l.note(pos, v)
	}
	return err
}

// writer appends n events, named after the writer and counted up.
func (l *lab) writer(name uint64, n int) func() {
	return func() {
		for i := range n {
			if err := l.append(name*100 + uint64(i)); err != nil {
				explore.Fail("append: %v", err)
			}
		}
	}
}

func (l *lab) batch(values ...uint64) func() {
	return func() {
		pos, err := l.p.appendMany(values, condition{})
		if err != nil {
			explore.Fail("batch: %v", err)
		}
		l.note(pos, values...)
	}
}

// reader opens a cut and reads it twice: it must be contiguous, within the capacity, and the same both times. batches
// names events that may only be seen together.
func (l *lab) reader(batches ...[]uint64) func() {
	return func() {
		var c section[uint64]
		c.open(l.p, cutFlag)
		first := l.read(&c)
		if second := l.read(&c); !slices.Equal(first, second) {
			explore.Fail("the cut changed from %v to %v", first, second)
		}
		if uint64(len(first)) > l.p.cap.Load() {
			explore.Fail("the cut shows %d events, the capacity is %d", len(first), l.p.cap.Load())
		}
		for _, b := range batches {
			l.together(first, b)
		}
		c.close()
	}
}

func (l *lab) read(c *section[uint64]) (events []uint64) {
	c.resolve()
	next := c.lo
	for x := range c.segments {
		base := x.s.base.Load()
		if base+x.a != next {
			explore.Fail("the cut jumps to %d at %d", base+x.a, next)
		}
		for i := x.a; i < x.b; i++ {
			atomicx.Reading(&x.s.ev[i])
			v := x.s.ev[i]
			if old, ok := l.seen[base+i]; ok && old != v {
				explore.Fail("offset %d shows %d and %d", base+i, old, v)
			}
			l.seen[base+i] = v
			events = append(events, v)
		}
		next = base + x.b
	}
	if next != c.hi && c.lo < c.hi {
		explore.Fail("the cut ends at %d instead of %d", next, c.hi)
	}
	return events
}

// together checks a batch that the cut's low end does not split.
func (l *lab) together(events, batch []uint64) {
	n := 0
	for _, v := range batch {
		if slices.Contains(events, v) {
			n++
		}
	}
	if n > 0 && n < len(batch) && !slices.Contains(events[:1], batch[len(batch)-n]) {
		explore.Fail("the cut %v shows %d of batch %v", events, n, batch)
	}
}

// check is the final account: dense offsets, everything that was seen is what was appended there, per-writer order,
// and an exact ledger.
func (l *lab) check(appended int) func() error {
	return func() error {
		if len(l.returned) != appended {
			return fmt.Errorf("%d appends returned, want %d", len(l.returned), appended)
		}
		last := map[uint64]uint64{}
		for q := range uint64(appended) {
			v, ok := l.returned[q]
			if !ok {
				return fmt.Errorf("offset %d was given to nobody", q)
			}
			if s, ok := l.seen[q]; ok && s != v {
				return fmt.Errorf("offset %d holds %d, a cut showed %d", q, v, s)
			}
			if w := v / 100; last[w] > v {
				return fmt.Errorf("events %d and %d of one writer changed places", last[w], v)
			}
			last[v/100] = v
		}
		return l.account(uint64(appended))
	}
}

func (l *lab) account(appended uint64) error {
	g := l.p.ledger()
	if g.Appended != appended || g.InFlight != 0 || !g.Balanced() || g.OpenCuts != 0 {
		return fmt.Errorf("%d events, ledger %+v", appended, g)
	}
	want := min(appended, l.p.cap.Load())
	if most := l.p.maxBytes.Load(); most > 0 {
		want = min(want, uint64(most))
	}
	if g.Visible > want || g.Cleared == 0 && g.Visible != want {
		return fmt.Errorf("%d visible, want %d: %+v", g.Visible, want, g)
	}
	return nil
}

type program struct {
	name        string
	preemptions int
	setup       func(t *testing.T) ([]func(), func() error)
}

var programs = []program{
	{"two writers lap a ring of one", 2, func(t *testing.T) ([]func(), func() error) {
		l := newLab(t, 1, 1, nil)
		return []func(){l.writer(1, 3), l.writer(2, 3)}, l.check(6)
	}},
	{"two writers and a cut", 2, func(t *testing.T) ([]func(), func() error) {
		l := newLab(t, 1, 1, nil)
		return []func(){l.writer(1, 2), l.writer(2, 2), l.reader()}, l.check(4)
	}},
	{"two writers and a cut, segments of two", 2, func(t *testing.T) ([]func(), func() error) {
		l := newLab(t, 2, 2, nil)
		return []func(){l.writer(1, 3), l.writer(2, 3), l.reader()}, l.check(6)
	}},
	{"three writers", 2, func(t *testing.T) ([]func(), func() error) {
		l := newLab(t, 1, 1, nil)
		return []func(){l.writer(1, 2), l.writer(2, 2), l.writer(3, 2)}, l.check(6)
	}},
	{"a long writer and two cuts", 2, func(t *testing.T) ([]func(), func() error) {
		l := newLab(t, 1, 2, nil)
		return []func(){l.writer(1, 6), l.reader(), l.reader()}, l.check(6)
	}},
	{"a long writer and one cut, three preemptions", 3, func(t *testing.T) ([]func(), func() error) {
		l := newLab(t, 1, 1, nil)
		return []func(){l.writer(1, 6), l.reader()}, l.check(6)
	}},
	{"batches, a writer and a cut", 2, func(t *testing.T) ([]func(), func() error) {
		l := newLab(t, 2, 4, nil)
		return []func(){l.batch(100, 101), l.batch(200, 201), l.writer(3, 2), l.reader([]uint64{100, 101}, []uint64{200, 201})},
			l.check(6)
	}},
	{"a batch beside a writer in one segment", 2, func(t *testing.T) ([]func(), func() error) {
		l := newLab(t, 4, 4, nil)
		return []func(){l.batch(100, 101), l.writer(2, 2), l.reader([]uint64{100, 101})}, l.check(4)
	}},
	{"a batch behind a single event", 2, func(t *testing.T) ([]func(), func() error) {
		l := newLab(t, 4, 8, nil)
		if err := l.append(98); err != nil {
			t.Fatal(err)
		}
		return []func(){l.batch(100, 101), l.writer(2, 1), l.reader([]uint64{100, 101})}, l.check(4)
	}},
	{"a batch larger than a segment", 2, func(t *testing.T) ([]func(), func() error) {
		l := newLab(t, 2, 3, nil)
		return []func(){l.batch(100, 101, 102), l.writer(2, 3), l.reader([]uint64{100, 101, 102})}, l.check(6)
	}},
	{"conditional appends", 2, conditional},
	{"a conflict reports the next offset", 2, conflict},
	{"a producer comes and goes", 2, production},
	{"a producer takes over while closing", 2, takeover},
	{"a producer, its batch and a cut", 3, exclusive},
	{"growing, a writer and a cut", 2, func(t *testing.T) ([]func(), func() error) { return resized(t, 1, 3) }},
	{"shrinking, a writer and a cut", 2, func(t *testing.T) ([]func(), func() error) { return resized(t, 3, 1) }},
	{"closing", 2, closing},
	{"closing under a producer", 3, closingOwned},
	{"a producer leaves a closed partition", 3, leaving},
	{"clear, a writer and a cut", 2, clearing},
	{"two clears and a writer", 2, clearingTwice},
	{"clear and a byte limit", 2, limited},
	{"a cut is opened beside a leaked one", 2, leaked},
	{"a stalled writer's segment is retired under a cut", 3, stalled},
	{"discards are delivered once, in order", 2, delivery},
	{"a backlog that is given up", 2, backlog},
}

// scheduleLimit bounds each of the two searches of one program: a depth-first one, which is exhaustive up to where it
// stops, and random walks, which reach the middle of long programs.
const scheduleLimit = 9_000

// TestProtocol explores every program. It is the proof of the segment protocol; TestMutants proves that the proof can
// fail.
func TestProtocol(t *testing.T) {
	total := 0
	for _, p := range programs {
		t.Run(p.name, func(t *testing.T) {
			for _, seed := range []int64{0, 1} {
				r := explore.Run(
					explore.Config{Preemptions: p.preemptions, MaxSchedules: scheduleLimit, MaxSteps: 5000, Seed: seed},
					func() ([]func(), func() error) { return p.setup(t) })
				total += r.Schedules
				t.Logf("seed %d: %d schedules, longest %d steps, exhausted %v", seed, r.Schedules, r.MaxSteps, r.Exhausted)
				if r.Failure != "" {
					t.Fatal(r.Failure)
				}
			}
		})
	}
	t.Logf("%d schedules in all", total)
	if !t.Failed() && total < 150_000 {
		t.Errorf("%d schedules, want at least 150000", total)
	}
}
