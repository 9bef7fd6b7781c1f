package core

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/ephemera-go/ephemera/core/internal/atomicx"
)

// account classifies every offset that left the window, exactly once, in order: settled is the border. While the
// partition is watched, a retired segment is not reused before the border has passed it.
type account[E any] struct {
	mu        atomicx.Mutex
	settled   atomicx.Uint64
	at        *segment[E]    // holds offset settled, or ends there; nil unless watched
	atID      atomicx.Uint64 // its id: older segments may be reused
	gone      []interval     // unsettled offsets that Clear or a time limit removed, ascending
	purgedTo  atomicx.Pointer[instant]
	clearedTo uint64 // end of the latest cleared interval
	fate      fates
	history   *history    // nil until something is in it
	owing     atomic.Bool // the sweeper gives memory back once it has delivered

	maxAge   atomic.Int64 // nanoseconds
	maxBytes atomic.Int64
	restored uint64  // events that New put here
	_        [8]byte // a partition has 448 bytes: a size class that keeps the lines of partition apart
}

// fates counts the settled offsets by what became of them.
type fates struct {
	discarded, expired, purged, cleared uint64
	undelivered                         uint64 // discarded, but OnDiscard could not be told
	unfolded                            uint64 // left before a rollup could fold them
}

// interval is a range of offsets [from, to) that Clear removed, or that were too old when the floor moved over them.
type interval struct {
	from, to uint64
	aged     bool
}

// border returns how far what is said of q holds.
func (c interval) border(q uint64) uint64 {
	if q < c.from {
		return c.from
	}
	return c.to
}

// goneAt returns the first interval that ends behind q; without one, an empty interval at the far end.
func (a *account[E]) goneAt(q uint64) interval {
	for _, c := range a.gone {
		if c.to > q {
			return c
		}
	}
	return interval{from: math.MaxUint64, to: math.MaxUint64}
}

// A departure is a discarded event on its way to OnDiscard.
type departure[E any] struct {
	pos   Position
	event E
}

// isSettled reports whether retired segment s may be reused as far as the account is concerned.
func (p *partition[E]) isSettled(s *segment[E]) bool {
	return !p.watched || s.id.Load() < p.atID.Load()
}

// watch makes retired segments wait for the account from now on. What left before is settled unseen.
func (p *partition[E]) watch() {
	p.account.mu.Lock()
	defer p.account.mu.Unlock()
	p.enter()
	defer p.leave()
	if p.watched {
		return
	}
	s := p.head.Load()
	p.count(s.base.Load())
	for s != p.tail.Load() && s.next.Load().base.Load() <= p.settled.Load() {
		s = s.next.Load() // settled already, although still linked
	}
	p.arrive(s)
	p.watched = true
}

// count settles the offsets below end without looking at them.
func (p *partition[E]) count(end uint64) {
	for q := p.settled.Load(); q < end; {
		c := p.goneAt(q)
		to := min(end, c.border(q))
		if q >= c.from && !c.aged {
			p.fate.cleared += to - q
		} else {
			p.fate.discarded += to - q
		}
		p.moveTo(to)
		q = to
	}
}

// arrive makes s the segment that settling goes on with.
func (a *account[E]) arrive(s *segment[E]) {
	a.at = s
	a.atID.Store(s.id.Load())
}

// moveTo sets the border.
func (a *account[E]) moveTo(q uint64) {
	for len(a.gone) > 0 && a.gone[0].to <= q {
		a.gone = a.gone[1:]
	}
	a.settled.Store(q)
}

// settle classifies what has left the window, up to end. out takes the discarded events if the store delivers them, up to its
// capacity; the rest waits for the next call. It reports whether there is more to do.
func (p *partition[E]) settle(end uint64, out *[]departure[E]) (more bool) {
	p.account.mu.Lock()
	defer p.account.mu.Unlock()
	end = max(min(end, p.lowest(p.next())), p.settled.Load()) // SetCapacity may have gone back, somebody else further
	if p.at == nil {
		p.count(end)
		return false
	}
	for p.settled.Load() < end {
		if p.tooFarBehind() { // skip cannot do it while the account is locked here
			p.giveUp()
			continue
		}
		if p.conf.deliver != nil && len(*out) == cap(*out) {
			return true
		}
		if !p.settleSome(end, out) {
			return false
		}
	}
	for p.at != p.tail.Load() && p.settleSome(end, out) { // leave a segment that ends just here
	}
	return false
}

// settleSome settles offsets of one segment, or moves on to the next, and reports whether it could.
func (p *partition[E]) settleSome(end uint64, out *[]departure[E]) bool {
	s, q := p.at, p.settled.Load()
	end = max(end, q) // giving up may have gone beyond it
	base, last := s.base.Load(), s == p.tail.Load()
	border := uint64(math.MaxUint64)
	if !last {
		border = s.next.Load().base.Load()
	}
	if q < border {
		end = min(end, border)
		p.settleRun(s, q, &end, out)
		if end == q {
			return false // a writer is still at it
		}
		p.moveTo(end)
		q = end
	}
	if q == border {
		p.leaveBehind(s, border-base)
		p.arrive(s.next.Load())
	}
	return true
}

// settleRun settles [q, *end) of segment s as far as one fate reaches, and sets *end to where it stopped.
func (p *partition[E]) settleRun(s *segment[E], q uint64, end *uint64, out *[]departure[E]) {
	c := p.goneAt(q)
	if q >= c.from && !c.aged {
		*end = min(*end, c.to)
		p.fate.cleared += *end - q
		return
	}
	base, to := s.base.Load(), min(*end, c.border(q))
	to = base + s.hole(q-base, to-base)
	if p.conf.deliver != nil {
		to = min(to, q+uint64(cap(*out)-len(*out)))
	}
	p.classify(s, q-base, to-base, q >= c.from, &p.fate, out)
	*end = to
}

// classify counts slots [a,b) of s, all published, as expired, purged or discarded; out may be nil. Those that were too old
// when the floor moved over them are it for ever: they do not come back with the clock, nor with a longer MaxAge.
func (p *partition[E]) classify(s *segment[E], a, b uint64, aged bool, f *fates, out *[]departure[E]) {
	floor, limited := p.timeFloor(p.conf.now)
	if !limited && !aged && p.conf.deliver == nil {
		f.discarded += b - a
		return
	}
	for i := a; i < b; i++ {
		if t, ok := p.timeIfLimited(s, i, limited); aged || ok && t.before(floor) {
			if pt := p.purgedTo.Load(); pt != nil && t.before(*pt) {
				f.purged++
			} else {
				f.expired++
			}
			continue
		}
		f.discarded++
		if out != nil && p.conf.deliver != nil {
			*out = append(*out, departure[E]{Position{p.index, p.start + s.base.Load() + i}, s.ev[i]})
		}
	}
}

// timeIfLimited returns the time of a slot; not ok without a floor, and for an event whose time selector panics.
func (p *partition[E]) timeIfLimited(s *segment[E], i uint64, limited bool) (t instant, ok bool) {
	if !limited {
		return instant{}, false
	}
	defer func() {
		if recover() != nil {
			p.conf.panics.Add(1)
			ok = false
		}
	}()
	return p.conf.timeOf(s, i), true
}

// timeFloor returns the moment below which events are hidden, by age or purge.
func (p *partition[E]) timeFloor(now func() time.Time) (instant, bool) {
	floor, limited := minInstant, false
	if age := p.maxAge.Load(); age > 0 {
		floor, limited = instantOf(now()).add(-time.Duration(age)), true
	}
	if t := p.purgedTo.Load(); t != nil {
		limited = true
		if t.after(floor) {
			floor = *t
		}
	}
	return floor, limited
}

// leaveBehind folds a wholly settled segment of n slots for the rollups that outlive their events. The part that was
// cleared is left out.
func (p *partition[E]) leaveBehind(s *segment[E], n uint64) {
	base, from := s.base.Load(), uint64(0)
	if p.clearedTo > base {
		from = min(p.clearedTo-base, n)
	}
	if from == n || !p.conf.retains() {
		return
	}
	if s.hole(from, n) < n { // only after skip has passed a stalled writer
		p.fate.unfolded += n - from
		return
	}
	folders := p.conf.folders()
	d := p.conf.digestOf(s, from, n, len(folders))
	if d.untimed {
		p.fate.unfolded += n - from
		return
	}
	p.fate.unfolded += p.kept().add(node{base + from, base + n, d, p.conf.now()}, folders)
}

// skip gives up on the oldest retired segment, because the backlog is at its limit: its events count as discarded,
// undelivered and unfolded. It runs under the maintainer's lock and never waits for the account. The oldest retired
// segment that is not settled is the one that settling stands at.
func (p *partition[E]) skip() bool {
	if !p.account.mu.TryLock() {
		return false
	}
	defer p.account.mu.Unlock()
	if !p.isSettled(p.retired.at(0)) { // it may have been settled meanwhile
		p.giveUp()
	}
	return true
}

// tooFarBehind reports that more offsets wait to be settled than the limit allows, and that the oldest segment of them
// has left wholly.
func (p *partition[E]) tooFarBehind() bool {
	if p.at == p.tail.Load() {
		return false
	}
	low, q := p.lowest(p.next()), p.settled.Load()
	return p.at.next.Load().base.Load() <= low && low-q > uint64((p.limit+p.pendingLimit()+1)*p.unit)
}

// giveUp settles the rest of the oldest unsettled segment, which has left wholly, without looking at its events. It is
// called with the account locked.
func (p *partition[E]) giveUp() {
	s := p.at
	q, end := p.settled.Load(), s.next.Load().base.Load()
	if q < end {
		before := p.fate.discarded
		p.count(end)
		if p.conf.deliver != nil {
			p.fate.undelivered += p.fate.discarded - before
		}
	}
	if from := max(s.base.Load(), p.clearedTo); p.conf.retains() && from < end {
		p.fate.unfolded += end - from // also what was settled already: a segment is folded when all of it is
	}
	p.arrive(s.next.Load())
}
