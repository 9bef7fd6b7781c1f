//go:build !explore

package core

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The model keeps every event ever appended in plain slices and says, after each operation, exactly what the store
// must show and account for.

// spec is an event as the model knows it.
type spec struct {
	id   uint64
	key  int
	at   time.Time
	size int
}

// kind makes and reads one type of event.
type kind[E any] struct {
	build func(spec) E
	read  func(*E) spec
}

type flatEvent struct {
	id        uint64
	sec       int64
	nsec      int32
	key, size int32
}

type textEvent struct {
	id   uint64
	text string
	at   *time.Time
	key  *int
	size int
}

var flatKind = kind[flatEvent]{
	func(s spec) flatEvent {
		return flatEvent{s.id, s.at.Unix(), int32(s.at.Nanosecond()), int32(s.key), int32(s.size)}
	},
	func(e *flatEvent) spec {
		return spec{e.id, int(e.key), time.Unix(e.sec, int64(e.nsec)).UTC(), int(e.size)}
	},
}

var textKind = kind[textEvent]{
	func(s spec) textEvent { return textEvent{s.id, fmt.Sprint("event ", s.id), &s.at, &s.key, s.size} },
	func(e *textEvent) spec {
		if e.text != fmt.Sprint("event ", e.id) {
			return spec{id: 1 << 63}
		}
		return spec{e.id, *e.key, *e.at, e.size}
	},
}

// modelPart is one partition; offsets count from 0.
type modelPart struct {
	index    int
	start    uint64
	capacity int
	maxAge   time.Duration
	maxBytes int64
	log      []spec

	floor       int // offsets below it left for good
	settled     int // offsets below it have a fate
	clearedTo   int
	purgedTo    time.Time
	discarded   []int // offsets, in order
	clearedMin  int   // visible when cleared
	clearedMax  int   // in the window when cleared
	hadFloor    bool  // some event may ever have been hidden
	clearsSoFar int
}

func (p *modelPart) next() uint64 { return p.start + uint64(len(p.log)) }

// timeFloor returns the moment below which events are hidden; zero means none, which hides nothing either.
func (p *modelPart) timeFloor(now time.Time) (time.Time, bool) {
	f, ok := time.Time{}, false
	if p.maxAge > 0 {
		f, ok = now.Add(-p.maxAge), true
	}
	if !p.purgedTo.IsZero() && (!ok || p.purgedTo.After(f)) {
		f, ok = p.purgedTo, true
	}
	return f, ok
}

func (p *modelPart) hidden(q int, now time.Time) bool {
	f, ok := p.timeFloor(now)
	return ok && p.log[q].at.Before(f)
}

// low applies capacity and bytes, and gives a fate to what left.
func (p *modelPart) low(now time.Time) int {
	lo := max(p.floor, len(p.log)-p.capacity)
	if p.maxBytes > 0 {
		total := int64(0)
		q := len(p.log)
		for q > lo && total+int64(p.log[q-1].size) <= p.maxBytes {
			q--
			total += int64(p.log[q].size)
		}
		lo = q
	}
	p.floor = lo
	for ; p.settled < lo; p.settled++ {
		if !p.hidden(p.settled, now) {
			p.discarded = append(p.discarded, p.settled)
		}
	}
	return lo
}

// visible returns the offsets that a cut shows.
func (p *modelPart) visible(now time.Time) []int {
	var out []int
	for q := p.low(now); q < len(p.log); q++ {
		if !p.hidden(q, now) {
			out = append(out, q)
		}
	}
	return out
}

func (p *modelPart) clear(now time.Time) {
	p.clearedMin += len(p.visible(now))
	p.clearedMax += len(p.log) - p.low(now)
	p.floor, p.settled, p.clearedTo = len(p.log), len(p.log), len(p.log)
	p.clearsSoFar++
}

// told is one call of OnDiscard.
type told struct{ seq, id uint64 }

// machine drives a store and its model.
type machine[E any] struct {
	t      *testing.T
	r      *rand.Rand
	k      kind[E]
	s      *Store[E]
	o      Options[E]
	clock  *handClock
	last   time.Time // of the latest event made
	mixed  bool      // event times are not ascending
	purged time.Time // the latest Purge
	ids    uint64

	parts     []*modelPart // by number; nil when removed
	gone      []*modelPart
	names     map[int]bool // interned keys
	refused   uint64
	producers map[int]*Producer[E]
	cuts      []*heldCut[E]
	plain     *Rollup[E, tally]
	kept      *Rollup[E, tally]

	mu    sync.Mutex
	told  map[int][]told
	trace []string
}

func (m *machine[E]) note(format string, args ...any) {
	m.trace = append(m.trace, fmt.Sprintf(format, args...))
}

func (m *machine[E]) fatal(format string, args ...any) {
	m.t.Helper()
	from := max(0, len(m.trace)-40)
	m.t.Fatalf("%s\noptions: capacity %d, partitions %d, key %v, time %v, arrival %v, age %v, bytes %d, start %v\n%s",
		fmt.Sprintf(format, args...), m.o.Capacity, m.o.Partitions, m.o.Key != nil, m.o.Time != nil, m.o.Arrival,
		m.o.MaxAge, m.o.MaxBytes, m.o.StartAt, strings.Join(m.trace[from:], "\n"))
}

func keyName(k int) string { return fmt.Sprint("key-", k) }

func (m *machine[E]) timed() bool { return m.o.Time != nil || m.o.Arrival || m.o.MaxAge > 0 }

var oddCapacities = []int{1, 2, 3, 5, 7, 8, 9, 16, 31, 33, 64, 65, 100, 127, 128, 255, 1000, 1024, 1025, 4096, 5000}

func (m *machine[E]) options() Options[E] {
	r := m.r
	o := Options[E]{Capacity: oddCapacities[r.IntN(len(oddCapacities))], Clock: m.clock.now}
	o.Partitions = 1 + r.IntN(min(5, o.Capacity))
	if r.IntN(2) == 0 {
		o.Key = func(e E) string { return keyName(m.k.read(&e).key) }
		if r.IntN(4) == 0 {
			o.MaxKeys = 1 + r.IntN(12)
		}
	}
	switch r.IntN(5) {
	case 0:
	case 1:
		o.Arrival = true
	default:
		o.Time = func(e *E) time.Time { return m.k.read(e).at }
	}
	if r.IntN(4) == 0 {
		o.MaxAge = time.Duration(1+r.IntN(200)) * time.Second
	}
	if r.IntN(4) == 0 {
		o.Size = func(e *E) int { return m.k.read(e).size }
		o.MaxBytes = int64(o.Partitions + r.IntN(8*o.Capacity+1))
	}
	if r.IntN(2) == 0 {
		bases := []uint64{0, 17, 1 << 32, 1 << 63, ^uint64(0)}
		for range o.Partitions {
			o.StartAt = append(o.StartAt, bases[r.IntN(len(bases))]-uint64(r.IntN(50)))
		}
	}
	if r.IntN(2) == 0 {
		o.OnDiscard = m.onDiscard
	}
	return o
}

func (m *machine[E]) onDiscard(pos Position, e *E) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.told[pos.Partition] = append(m.told[pos.Partition], told{pos.Sequence, m.k.read(e).id})
}

func newMachine[E any](t *testing.T, seed uint64, k kind[E]) *machine[E] {
	m := &machine[E]{
		t: t, r: rand.New(rand.NewPCG(seed, 1)), k: k, clock: newHandClock(),
		names: map[int]bool{}, producers: map[int]*Producer[E]{}, told: map[int][]told{},
	}
	m.last, m.mixed = m.clock.now(), m.r.IntN(2) == 0
	m.o = m.options()
	m.s = mustNew(t, m.o)
	for i := range m.o.Partitions {
		p := &modelPart{index: i, capacity: m.o.Capacity / m.o.Partitions, maxAge: m.o.MaxAge}
		if i < m.o.Capacity%m.o.Partitions {
			p.capacity++
		}
		if m.o.MaxBytes > 0 {
			p.maxBytes = m.o.MaxBytes / int64(m.o.Partitions)
			if int64(i) < m.o.MaxBytes%int64(m.o.Partitions) {
				p.maxBytes++
			}
		}
		if m.o.StartAt != nil {
			p.start = m.o.StartAt[i]
		}
		p.hadFloor = p.maxAge > 0
		m.parts = append(m.parts, p)
	}
	m.register()
	return m
}

// spec makes the next event, with an event time that may be anything.
func (m *machine[E]) spec() spec {
	m.ids++
	s := spec{id: m.ids, key: m.r.IntN(12), size: 1 + m.r.IntN(16)}
	if m.o.Time == nil {
		s.at = m.clock.now()
		return s
	}
	switch n := m.r.IntN(20); {
	case !m.mixed:
		if n < 12 { // else a duplicate
			m.last = m.last.Add(time.Duration(m.r.IntN(1000)) * time.Millisecond)
		}
		s.at = m.last
	case n == 0:
		s.at = time.Time{}
	case n == 1:
		s.at = time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC)
	case n == 2:
		s.at = m.clock.now().AddDate(300, 0, 0)
	case n == 3:
		s.at = time.Date(1600, 1, 1, 0, 0, 0, 1, time.UTC)
	default:
		s.at = m.clock.now().Add(time.Duration(m.r.IntN(240)-200) * time.Second)
	}
	return s
}

func (m *machine[E]) specs(n int) []spec {
	out := make([]spec, n)
	for i := range out {
		out[i] = m.spec()
	}
	return out
}

func (m *machine[E]) events(specs []spec) []E {
	out := make([]E, len(specs))
	for i := range specs {
		out[i] = m.k.build(specs[i])
	}
	return out
}

// live returns the numbers of the partitions there are.
func (m *machine[E]) live() (out []int) {
	for i, p := range m.parts {
		if p != nil {
			out = append(out, i)
		}
	}
	return out
}

// check compares the whole store with the model.
func (m *machine[E]) check() {
	m.t.Helper()
	var total Ledger
	now := m.clock.now()
	for _, i := range m.live() {
		total.add(m.checkPartition(m.parts[i], now))
	}
	for _, p := range m.gone {
		total.Appended += uint64(len(p.log))
		total.Discarded += uint64(len(p.discarded))
	}
	l := m.s.Ledger()
	if !l.Balanced() || l.Appended != total.Appended || l.Visible != total.Visible || l.Discarded != total.Discarded ||
		l.InFlight+l.Undelivered+l.Unfolded != 0 {
		m.fatal("store ledger %+v, want appended %d visible %d discarded %d",
			l, total.Appended, total.Visible, total.Discarded)
	}
	if l.OpenCuts != m.openPins() {
		m.fatal("%d pins, want %d", l.OpenCuts, m.openPins())
	}
	st := m.s.Stats()
	if st.Appended != total.Appended || st.Visible != total.Visible || st.Discarded != total.Discarded || st.Panics != 0 ||
		st.KeysRefused != m.refused {
		m.fatal("stats %+v, want %+v and %d keys refused", st, total, m.refused)
	}
	if got := m.s.Partitions(); got != len(m.live()) {
		m.fatal("%d partitions, want %d", got, len(m.live()))
	}
	c := m.s.Cut()
	defer c.Close()
	m.compare("content", c.Runs(), m.snapshot())
}

func (m *machine[E]) checkPartition(p *modelPart, now time.Time) Ledger {
	m.t.Helper()
	visible := len(p.visible(now))
	l, err := m.s.PartitionLedger(p.index)
	if err != nil {
		m.fatal("ledger of %d: %v", p.index, err)
	}
	ok := l.Balanced() && l.Appended == uint64(len(p.log)) && l.Visible == uint64(visible) &&
		l.Discarded == uint64(len(p.discarded)) && l.InFlight == 0 &&
		l.Cleared >= uint64(p.clearedMin) && l.Cleared <= uint64(p.clearedMax) &&
		l.Hidden <= uint64(len(p.log)-p.low(now)-visible)
	if !p.hadFloor {
		ok = ok && l.Hidden+l.Expired+l.Purged == 0 && p.clearedMin == p.clearedMax
	}
	ok = ok && (p.maxAge > 0 || l.Expired == 0) && (!p.purgedTo.IsZero() || l.Purged == 0)
	if !ok {
		m.fatal("partition %d: ledger %+v, want appended %d visible %d discarded %d cleared [%d,%d]",
			p.index, l, len(p.log), visible, len(p.discarded), p.clearedMin, p.clearedMax)
	}
	if q, err := m.s.Next(p.index); err != nil || q != p.next() {
		m.fatal("next of %d: %d, %v, want %d", p.index, q, err, p.next())
	}
	return l
}

// checkTold compares the calls of OnDiscard with what was discarded, per partition.
func (m *machine[E]) checkTold() {
	m.t.Helper()
	if m.o.OnDiscard == nil {
		return
	}
	mustSync(m.t, m.s)
	m.mu.Lock()
	defer m.mu.Unlock()
	all := slices.Clone(m.gone)
	for _, i := range m.live() {
		all = append(all, m.parts[i])
	}
	for _, p := range all {
		p.low(m.clock.now())
		got := m.told[p.index]
		if len(got) != len(p.discarded) {
			m.fatal("OnDiscard told %d events of partition %d, want %d", len(got), p.index, len(p.discarded))
		}
		for i, q := range p.discarded {
			if want := (told{p.start + uint64(q), p.log[q].id}); got[i] != want {
				m.fatal("OnDiscard call %d of partition %d: %v, want %v", i, p.index, got[i], want)
			}
		}
	}
}

func runModel[E any](t *testing.T, seed uint64, k kind[E]) {
	m := newMachine(t, seed, k)
	for range 30 + m.r.IntN(60) {
		m.step()
		m.check()
		if m.r.IntN(4) == 0 {
			m.checkViews()
		}
		if m.r.IntN(4) == 0 {
			m.checkRollups()
		}
		if m.r.IntN(8) == 0 {
			m.checkTold()
		}
	}
	m.finish()
}

// Whatever is done in whatever order, the store shows and accounts for exactly what a plain slice would.
func TestModelRandomOperations(t *testing.T) {
	t.Parallel()
	first := firstSeed(t)
	for i := range uint64(pick(250, 25)) {
		seed := first + i
		t.Run(fmt.Sprint("flat/seed=", seed), func(t *testing.T) { runModel(t, seed, flatKind) })
		t.Run(fmt.Sprint("text/seed=", seed), func(t *testing.T) { runModel(t, seed, textKind) })
	}
}
