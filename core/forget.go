package core

import "time"

// Clear, Purge and expiry: everything that makes events leave other than by capacity. All of it moves the floor of a
// partition or its time floor; no slot is ever touched.

// raise moves the floor up to q.
func (p *partition[E]) raise(q uint64) {
	for {
		f := p.floor.Load()
		if f >= q || p.floor.CompareAndSwap(f, q) {
			return
		}
	}
}

// cutShort ends the newest segment so that it can be retired, and opens an empty one. It does nothing while a Producer
// owns the partition.
func (p *partition[E]) cutShort() {
	h := p.pin()
	defer h.release()
	t := p.tail.Load()
	w := t.resv.Load()
	if n, final := t.length(w); w&closedBit != 0 || n == 0 ||
		!final && !t.resv.CompareAndSwap(w, endedWord(w>>tagShift, n)) {
		return
	}
	_, _ = p.advance(t, 1) // refused only when closing, and then there is nothing to open
}

// clear forgets every event that is reserved now.
func (p *partition[E]) clear() {
	p.account.mu.Lock()
	p.cutShort()
	end := p.next()
	from := max(p.lowest(end), p.clearedTo)
	if p.at == nil {
		p.count(from)
	}
	if from < end {
		p.gone = append(p.gone, interval{from: from, to: end})
	}
	p.clearedTo = end
	p.raise(end)
	p.history = nil
	p.account.mu.Unlock()
	p.giveBack(end)
}

// giveBack settles what left and gives its memory back. When OnDiscard is owed something first, the sweeper does.
func (p *partition[E]) giveBack(reserved uint64) {
	if p.conf.deliver != nil {
		p.owing.Store(true)
		return
	}
	p.settle(p.lowest(p.next()), nil)
	p.releaseRetired(reserved)
}

// releaseRetired unlinks what lies below the logical head and leaves it to the garbage collector at once, because the
// caller wants the memory back.
func (p *partition[E]) releaseRetired(reserved uint64) {
	p.enter()
	defer p.leave()
	p.advanceHint(p.tail.Load())
	p.retire(reserved)
	p.trim()
	for p.retired.len() > 0 && p.isSettled(p.retired.at(0)) {
		p.drop(p.retired.at(0))
	}
	if p.conf.pointers {
		p.spare = nil
	}
}

// purge hides every event older than t, for ever. Moments only grow: the store sees to that.
func (p *partition[E]) purge(t instant) {
	p.purgedTo.Store(&t)
	p.expire()
}

// expire lets segments go whose events are all below the time floor. It moves the floor of the partition over a
// hidden prefix; hidden events behind a visible one stay where they are.
func (p *partition[E]) expire() {
	floor, limited := p.timeFloor(p.conf.now)
	if !limited {
		return
	}
	hidden, reserved := p.hiddenPrefix(floor)
	if hidden.to <= p.floor.Load() {
		return
	}
	if hidden.to == reserved {
		p.cutShort()
	}
	p.age(hidden)
	p.giveBack(reserved)
}

// age moves the floor over hidden events and notes that these are out, whatever the clock or MaxAge says when they are settled.
func (p *partition[E]) age(hidden interval) {
	p.account.mu.Lock()
	defer p.account.mu.Unlock()
	if hidden.from = max(hidden.from, p.floor.Load()); hidden.from < hidden.to {
		p.gone = append(p.gone, hidden)
	}
	p.raise(hidden.to)
}

// hiddenPrefix returns the leading segments that hold nothing but hidden events, and what is reserved.
func (p *partition[E]) hiddenPrefix(floor instant) (hidden interval, reserved uint64) {
	var c section[E]
	c.open(p, 0)
	defer c.close()
	c.resolve() // MaxBytes may raise the low end
	hidden = interval{from: c.lo, aged: true}
	for x := range c.segments {
		if !p.conf.digestOf(x.s, x.a, x.b, 0).span.max.before(floor) {
			break
		}
		hidden.to = x.s.base.Load() + x.b
	}
	return hidden, c.reserved
}

// dropBytes raises lo until the visible events fit the partition's byte limit.
func (c *section[E]) dropBytes(most int64) {
	var total int64
	for x := range c.segments {
		total += c.p.conf.digestOf(x.s, x.a, x.b, 0).bytes
	}
	for x := range c.segments {
		if total <= most {
			break
		}
		base := x.s.base.Load()
		if n := c.p.conf.digestOf(x.s, x.a, x.b, 0).bytes; total-n > most {
			total -= n
			c.lo = base + x.b
			continue
		}
		for i := x.a; i < x.b && total > most; i++ {
			total -= c.p.conf.sizeOf(&x.s.ev[i])
			c.lo = base + i + 1
		}
	}
	c.p.raise(c.lo)
}

// Clear forgets every event that was appended before the call; they count as Cleared and leave rollups too. Sequences
// go on, keys stay, and partitions owned by a Producer keep their newest segment in memory until it is full.
func (s *Store[E]) Clear() error {
	if s.closed.Load() {
		return ErrClosed
	}
	s.checkFull(false)
	for _, p := range s.all() {
		p.clear()
	}
	s.checkFull(false)
	return nil
}

// Purge makes every event older than before invisible at once, late ones and partitions to come included; what a segment holds of
// them counts as Purged when it leaves. It needs a time source. Purging with an earlier moment changes nothing.
func (s *Store[E]) Purge(before time.Time) error {
	if s.closed.Load() {
		return ErrClosed
	}
	if !s.conf.timed() {
		return ErrNoTime
	}
	s.checkFull(false)
	s.purgeAll(instantOf(before))
	s.checkFull(false)
	return nil
}

// purgeAll holds the lock under which partitions are added, so that those take the time floor over.
func (s *Store[E]) purgeAll(t instant) {
	s.registering.Lock()
	defer s.registering.Unlock()
	if old := s.purged.Load(); old == nil || old.before(t) {
		s.purged.Store(&t)
	}
	for _, p := range s.all() {
		s.purge(p)
	}
}

// purge applies the store's latest Purge to a partition.
func (s *Store[E]) purge(p *partition[E]) {
	if t := s.purged.Load(); t != nil {
		s.watch(p)
		p.purge(*t)
	}
}
