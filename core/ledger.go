package core

import "math"

// A Ledger accounts for every event. Of each partition, and so of the store, always
//
//	Appended + Restored = Visible + Hidden + InFlight + Discarded + Expired + Purged + Cleared
//
// While writers run, a ledger is exact for some recent moment of each partition. Under MaxAge or after a Purge, what has
// left within the last few milliseconds may still move from Discarded to Expired or Purged, until a sweep has settled it.
type Ledger struct {
	Appended  uint64 // positions given out to appends
	Restored  uint64 // put there by New, from Options.Restore
	Visible   uint64 // what a cut shows
	Hidden    uint64 // in memory but older than MaxAge or a Purge; becomes Expired or Purged
	InFlight  uint64 // reserved by a writer that has not published yet, or behind such a slot
	Discarded uint64 // pushed out by Capacity or MaxBytes
	Expired   uint64 // left because of MaxAge
	Purged    uint64 // left because of Purge
	Cleared   uint64 // left because of Clear or RemovePartition

	Undelivered uint64 // of Discarded: OnDiscard was not told, because it lagged by more than MaxPending
	Unfolded    uint64 // events that left before a rollup with Retain could fold them

	OpenCuts          int    // cuts held open, counted per partition; a number that only grows is a leak
	SegmentsFresh     uint64 // segments allocated
	SegmentsRecycled  uint64 // segments used again
	SegmentsAbandoned uint64 // segments left to the garbage collector
}

// Balanced reports whether the account is exact, which it always is.
func (l Ledger) Balanced() bool {
	return l.Appended+l.Restored == l.Visible+l.Hidden+l.InFlight+l.Discarded+l.Expired+l.Purged+l.Cleared
}

func (l *Ledger) add(o Ledger) {
	l.Appended += o.Appended
	l.Restored += o.Restored
	l.Visible += o.Visible
	l.Hidden += o.Hidden
	l.InFlight += o.InFlight
	l.Discarded += o.Discarded
	l.Expired += o.Expired
	l.Purged += o.Purged
	l.Cleared += o.Cleared
	l.Undelivered += o.Undelivered
	l.Unfolded += o.Unfolded
	l.OpenCuts += o.OpenCuts
	l.SegmentsFresh += o.SegmentsFresh
	l.SegmentsRecycled += o.SegmentsRecycled
	l.SegmentsAbandoned += o.SegmentsAbandoned
}

func (p *partition[E]) ledger() Ledger {
	p.account.mu.Lock()
	defer p.account.mu.Unlock()
	cuts := p.pins.cuts()
	var c section[E]
	c.open(p, 0)
	defer c.close()
	c.resolve()
	c.limit(p.conf.now)
	f, inFlight := p.fate, c.reserved-c.hi
	if p.at == nil {
		p.count(c.lo)
		f = p.fate
	} else {
		inFlight += p.preview(c.lo, &f)
	}
	visible := c.visible()
	return Ledger{
		Appended: c.reserved - p.restored, Restored: p.restored, Visible: visible, Hidden: c.hi - c.lo - visible, InFlight: inFlight,
		Discarded: f.discarded, Expired: f.expired, Purged: f.purged, Cleared: f.cleared,
		Undelivered: f.undelivered, Unfolded: f.unfolded, OpenCuts: cuts,
		SegmentsFresh: p.fresh.Load() + 1, SegmentsRecycled: p.recycled.Load(), SegmentsAbandoned: p.abandoned.Load(),
	}
}

// preview adds to f what settling up to end would add, without settling. It returns how many offsets wait for a
// writer.
func (p *partition[E]) preview(end uint64, f *fates) (waiting uint64) {
	s := p.at
	for q := p.settled.Load(); q < end; {
		border := uint64(math.MaxUint64)
		if s != p.tail.Load() {
			border = s.next.Load().base.Load()
		}
		if q >= border {
			s = s.next.Load()
			continue
		}
		c := p.goneAt(q)
		to := min(end, border, c.border(q))
		if q >= c.from && !c.aged {
			f.cleared += to - q
		} else {
			base := s.base.Load()
			to = base + s.hole(q-base, to-base)
			if to == q {
				return end - q
			}
			p.classify(s, q-base, to-base, q >= c.from, f, nil)
		}
		q = to
	}
	return 0
}
