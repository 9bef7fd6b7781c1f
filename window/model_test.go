package window

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

// TestModel does random things to a window and to a model that is nothing but slices, and compares everything after each
// step: what is shown, in what order, what the store holds, all totals, every report and every error. Runs end and
// others go on with what the store has; writes fail, and some of them are stored all the same. Time stands still for the
// background work, so that nothing happens but the steps.
func TestModel(t *testing.T) {
	for seed := range uint64(pick(60, 12)) {
		synctest.Test(t, func(t *testing.T) {
			m := newModel(t, seed)
			for step := range 300 {
				what := m.step()
				m.compare(fmt.Sprintf("seed %d, step %d, policy %d, %s", seed, step, m.o.Overload, what))
				if t.Failed() {
					t.FailNow()
				}
			}
			_ = m.w.Close()
		})
	}
}

type model struct {
	t     *testing.T
	r     *rand.Rand
	clock *handClock
	inner sinks.SignalStore
	store *chancy
	o     Options
	w     *Window

	start, next, resume uint64
	aside, live         []Signal // what the window holds, expired signals included
	raised              []Signal // of this run, by sequence from start on
	rows                []Signal // of the store
	capacity            int
	maxAge              time.Duration

	persisted, dropped, untold, cleared, restored, refused, durable uint64
}

// chancy is a store whose writes fail by chance; it remembers how each of them went.
type chancy struct {
	sinks.SignalStore
	r        *rand.Rand
	outcomes []bool // reported success
	stored   []bool
}

func (c *chancy) Append(ctx context.Context, batch []sinks.Signal) error {
	var err error
	stored := true
	switch c.r.IntN(6) {
	case 0:
		err, stored = io.ErrClosedPipe, false
	case 1:
		err = sinks.ErrUnknownOutcome
	}
	c.outcomes, c.stored = append(c.outcomes, err == nil), append(c.stored, stored)
	if stored {
		err = errors.Join(err, c.SignalStore.Append(ctx, batch))
	}
	return err
}

func newModel(t *testing.T, seed uint64) *model {
	r := rand.New(rand.NewPCG(seed, 41))
	m := &model{t: t, r: r, clock: newClock(), inner: memory(t)}
	m.o = Options{
		Capacity: 1 + r.IntN(60), MaxAge: time.Duration(1+r.IntN(300)) * time.Second, Clock: m.clock.now,
		FlushInterval: Forever, HighWater: 1 << 30, MaxPerFlush: 1 + r.IntN(30),
		Overload: Policy(seed % 3), MaxBlock: 1,
	}
	if r.IntN(2) == 0 {
		m.o.MaxPending = 1 + r.IntN(100)
	}
	m.open()
	return m
}

// open begins a run.
func (m *model) open() {
	m.store = &chancy{SignalStore: m.inner, r: m.r}
	m.o.Store = m.store
	m.w = open(m.t, m.o)
	m.start = 1
	if n := len(m.rows); n > 0 {
		m.start = m.rows[n-1].Sequence + 1
	}
	m.next, m.resume, m.durable = m.start, m.start, m.start-1
	m.aside, m.live, m.raised = nil, nil, nil
	m.capacity, m.maxAge = m.o.Capacity, m.o.MaxAge
	m.persisted, m.dropped, m.untold, m.cleared, m.restored, m.refused = 0, 0, 0, 0, 0, 0
}

func (m *model) most() int {
	if m.o.MaxPending > 0 {
		return m.o.MaxPending
	}
	return m.capacity
}

func (m *model) expired(s Signal) bool { return s.Time.Before(m.clock.now().Add(-m.maxAge)) }

// settle lets what expired at the start go.
func (m *model) settle() {
	for len(m.aside) > 0 && m.expired(m.aside[0]) {
		m.aside = m.aside[1:]
	}
	for len(m.aside) == 0 && len(m.live) > 0 && m.expired(m.live[0]) {
		m.live = m.live[1:]
	}
}

// trim evicts, and gives up what waits beyond the limit.
func (m *model) trim() {
	for len(m.aside)+len(m.live) > m.capacity {
		if len(m.aside) > 0 {
			m.aside = m.aside[1:]
		} else {
			m.live = m.live[1:]
		}
	}
	if over := int(m.next-m.resume) - m.most(); over > 0 && m.o.Overload == DropOldest {
		m.resume += uint64(over)
		m.dropped += uint64(over)
		m.untold += uint64(over)
	}
}

func (m *model) random() Signal {
	s := Signal{
		Time: m.clock.now().Add(-time.Duration(m.r.IntN(90)) * time.Second), Name: fmt.Sprintf("n%d.x%d", m.r.IntN(3), m.r.IntN(4)),
		Key: fmt.Sprint(m.r.IntN(3)), Operation: m.r.Uint64N(3),
	}
	if m.r.IntN(8) == 0 {
		s.Path, s.Data = []string{"cause"}, []byte{byte(m.r.IntN(256))}
	}
	return s
}

// accept books signals that are raised at once, and reports whether they are.
func (m *model) accept(list ...Signal) bool {
	if m.o.Overload != DropOldest && int(m.next-m.resume)+len(list) > m.most() {
		return false
	}
	for _, s := range list {
		s.Sequence = m.next
		m.next++
		m.raised = append(m.raised, s)
		m.live = append(m.live, s)
	}
	m.trim()
	return true
}

func (m *model) step() string {
	switch m.r.IntN(16) {
	case 0, 1:
		return m.flush()
	case 2:
		d := time.Duration(m.r.IntN(100)) * time.Second
		m.clock.advance(d)
		return fmt.Sprint("advance ", d)
	case 3, 4:
		return m.clear()
	case 5:
		m.capacity = 1 + m.r.IntN(80)
		wantError(m.t, "SetCapacity", m.w.SetCapacity(m.capacity), nil)
		m.trim()
		return fmt.Sprint("capacity ", m.capacity)
	case 6: // only shorter: how much comes back with a longer one depends on when somebody looked
		m.maxAge = max(1, m.maxAge-time.Duration(m.r.IntN(10))*time.Second)
		m.w.mustAge(m.t, m.maxAge)
		return fmt.Sprint("age ", m.maxAge)
	case 7, 8:
		return m.load()
	case 9:
		if m.r.IntN(8) == 0 {
			return m.restart()
		}
		fallthrough
	case 10, 11:
		return m.batch()
	}
	for range m.r.IntN(12) {
		s := m.random()
		_, err := m.w.RaiseSignal(s)
		if ok := m.accept(s); ok != (err == nil) {
			m.t.Errorf("raise: %v, the model says %v", err, ok)
		} else if !ok {
			m.refused++
			wantError(m.t, "raise", err, ErrOverloaded)
		}
	}
	return "raise"
}

func (m *model) batch() string {
	list := make([]Signal, m.r.IntN(60))
	for i := range list {
		list[i] = m.random()
	}
	n, err := m.w.RaiseBatch(list)
	size, done := len(list), 0
	if m.o.Overload != DropOldest {
		size = m.most()
	}
	for done < len(list) {
		part := list[done:min(done+size, len(list))]
		if !m.accept(part...) {
			break
		}
		done += len(part)
	}
	m.refused += uint64(len(list) - done)
	if n != done || (err == nil) != (done == len(list)) {
		m.t.Errorf("batch of %d: %d, %v, the model says %d", len(list), n, err, done)
	}
	return "batch"
}

// written plays the writes of a round, and reports whether all went well.
func (m *model) written() bool {
	for i, ok := range m.store.outcomes {
		m.trim()
		n := min(m.next-m.resume, uint64(m.o.MaxPerFlush))
		if m.store.stored[i] {
			for _, s := range m.raised[m.resume-m.start : m.resume-m.start+n] {
				if len(m.rows) == 0 || m.rows[len(m.rows)-1].Sequence < s.Sequence {
					m.rows = append(m.rows, s)
				}
			}
		}
		if !ok {
			return false
		}
		m.resume += n
		m.persisted += n
		m.durable = m.resume - 1
	}
	return true
}

// round is a Flush or a Close.
func (m *model) round(what string, f func() error) {
	m.store.outcomes, m.store.stored = nil, nil
	m.trim()
	err := f()
	ok := m.written()
	if ok && m.resume != m.next {
		m.t.Errorf("%s wrote up to %d of %d", what, m.resume, m.next)
	}
	if (err == nil) != (ok && m.untold == 0) || errors.Is(err, ErrDropped) != (m.untold > 0) {
		m.t.Errorf("%s: %v, the model says %v with %d given up", what, err, ok, m.untold)
	}
	m.untold = 0
}

func (m *model) flush() string {
	m.round("Flush", func() error { return m.w.Flush(context.Background()) })
	return "flush"
}

func (m *model) restart() string {
	m.round("Close", m.w.Close)
	m.compare("after Close")
	m.open()
	return "restart"
}

func (m *model) clear() string {
	how := m.r.IntN(4)
	gone := func(s Signal) bool { return true }
	var n int
	var err error
	switch how {
	case 0:
		n, err = m.w.Clear("")
	case 1:
		n, err = m.w.Clear("n1.*")
		gone = func(s Signal) bool { return s.Name[:3] == "n1." }
	case 2:
		n = m.w.ClearKey("2")
		gone = func(s Signal) bool { return s.Key == "2" }
	default:
		n = m.w.ClearOperation(1)
		gone = func(s Signal) bool { return s.Operation == 1 }
	}
	m.settle()
	kept, want := []Signal{}, 0
	for _, s := range slices.Concat(m.aside, m.live) {
		if gone(s) && !m.expired(s) {
			want++
		} else {
			kept = append(kept, s)
		}
	}
	if want > 0 {
		m.aside, m.live = kept, nil
		m.cleared += uint64(want)
	}
	if n != want || err != nil {
		m.t.Errorf("cleared %d, %v, the model says %d", n, err, want)
	}
	return fmt.Sprint("clear ", how)
}

func (m *model) load() string {
	o := LoadOptions{MaxAge: time.Duration(m.r.IntN(200)) * time.Second}
	m.settle()
	var want LoadReport
	older := m.rows
	if i := slices.IndexFunc(m.rows, func(s Signal) bool { return s.Sequence >= m.start }); i >= 0 {
		older = m.rows[:i]
	}
	from := max(0, len(older)-m.capacity)
	want.Read, want.More = len(older)-from, from > 0
	room := m.capacity - len(m.aside) - len(m.live)
	var fresh []Signal
	for _, s := range slices.Backward(older[from:]) {
		s.Restored = true
		switch {
		case o.MaxAge > 0 && s.Time.Before(m.clock.now().Add(-o.MaxAge)):
			want.TooOld++
		case slices.ContainsFunc(m.aside, func(x Signal) bool { return x.Sequence == s.Sequence }):
			want.Known++
		case m.expired(s):
			want.Expired++
		case room == 0:
			want.NoRoom++
		default:
			room--
			want.Restored++
			fresh = append(fresh, s)
		}
	}
	m.restored += uint64(len(fresh))
	m.aside = slices.SortedFunc(slices.Values(slices.Concat(m.aside, fresh)), func(a, b Signal) int { return int(a.Sequence) - int(b.Sequence) })
	equal(m.t, "report", load(m.t, m.w, o), want)
	return "load"
}

// compare looks at everything.
func (m *model) compare(when string) {
	m.t.Helper()
	var shown []Signal
	for _, s := range slices.Concat(m.aside, m.live) {
		if !m.expired(s) {
			shown = append(shown, s)
		}
	}
	s := balanced(m.t, m.w)
	equal(m.t, when+": shown", sense(m.t, m.w, ""), shown)
	equal(m.t, when+": numbers", []uint64{
		uint64(s.Visible), s.Raised, s.Restored, s.Cleared, s.Persisted, s.Pending, s.Dropped, s.Refused.Total(), s.LastSequence,
		s.LastDurable,
	}, []uint64{
		uint64(len(shown)), m.next - m.start, m.restored, m.cleared, m.persisted, m.next - m.resume, m.dropped, m.refused, m.next - 1,
		m.durable,
	})
	var stored []Signal
	for _, x := range rows(m.t, m.inner) {
		stored = append(stored, Signal{Sequence: x.Sequence, Time: x.Time, Name: x.Name, Key: x.Key, Operation: x.Operation, Path: x.Path, Data: x.Data})
	}
	equal(m.t, when+": stored", stored, m.rows)
}
