package core

// roll makes the successor of a full newest segment current, so that the caller can try again. Any writer helps, and
// nobody waits. room is how many slots a fresh successor must have. It runs pinned, so no segment that it sees can be
// reused under it.
func (p *partition[E]) roll(room int) error {
	h := p.pin()
	t := p.tail.Load()
	id := t.id.Load()
	h.narrow(id, id+1, 0) // a writer that is preempted in here must not stop all reuse
	small := len(t.ev) <= smallSegment
	end, err := p.advance(t, room)
	h.release()
	if small && end > 0 {
		p.tend(end)
	}
	return err
}

// advance opens the successor of t, if t is full, and makes it the newest segment. It returns the offset behind t.
func (p *partition[E]) advance(t *segment[E], room int) (uint64, error) {
	w := t.resv.Load()
	t.shed(w)
	n, final := t.length(w)
	if !final {
		if w&closedBit != 0 {
			return 0, p.refusal()
		}
		return 0, nil // somebody was faster
	}
	if p.state.Load() != stateOpen {
		return 0, p.refusal() // closing: nothing opens any more
	}
	nx := p.successor(t, room)
	end := t.base.Load() + n
	nx.base.Store(end) // every helper stores the same
	for id := nx.id.Load(); ; {
		v := nx.resv.Load()
		if v&closedBit == 0 || v&(ownedMark|deadMark) != 0 || nx.resv.CompareAndSwap(v, openWord(id)) {
			break
		}
	}
	p.tail.CompareAndSwap(t, nx)
	return end, nil
}

// refusal says why the newest segment is not open to shared writers.
func (p *partition[E]) refusal() error {
	switch p.state.Load() {
	case stateClosed:
		return ErrClosed
	case stateRemoved:
		return ErrNoPartition
	}
	return ErrOwned
}

// successor returns t.next; t and the id behind it are protected. When the maintainer was late it links fresh memory:
// segments grow fourfold up to the partition's unit, so that a partition of few events stays small. If the maintainer's
// segment is too short for a batch, one that is long enough is linked behind it, before maintenance can link another
// short one.
func (p *partition[E]) successor(t *segment[E], room int) *segment[E] {
	nx := t.next.Load()
	if nx == nil {
		nx = p.grow(t, max(min(len(t.ev)*4, p.unit), room))
	}
	if len(nx.ev) < room && nx.next.Load() == nil {
		p.grow(nx, room)
	}
	return nx
}

// grow links a fresh segment behind t, unless somebody was faster, and returns what is linked there.
func (p *partition[E]) grow(t *segment[E], slots int) *segment[E] {
	nx := newSegment[E](t.id.Load()+1, slots, p.conf.arrival)
	if t.next.CompareAndSwap(nil, nx) {
		p.fresh.Add(1)
		return nx
	}
	return t.next.Load()
}

// claim takes the newest position away from shared writers and returns the segment that the caller now owns, empty and
// marked. It returns nil when the partition is dead, or, to others than the holder of p.owner, when a Producer owns its end.
func (p *partition[E]) claim(mark uint64) *segment[E] {
	h := p.pin()
	defer h.release()
	for {
		t := p.tail.Load()
		w := t.resv.Load()
		n, final := t.length(w)
		switch {
		case w&closedBit != 0:
			return nil
		case !final && n == 0: // nobody has a slot here: take it over as it is
			if t.resv.CompareAndSwap(w, closedWord(w>>tagShift)|mark) {
				return t
			}
			continue
		case !final:
			t.resv.CompareAndSwap(w, endedWord(w>>tagShift, n))
			continue
		}
		nx := p.successor(t, 1)
		nx.base.Store(t.base.Load() + n)
		owned := p.own(nx, mark)
		p.tail.CompareAndSwap(t, nx)
		if owned {
			return nx
		}
	}
}

// own marks a successor that nobody opened yet; it reports false when somebody did.
func (p *partition[E]) own(nx *segment[E], mark uint64) bool {
	for id := nx.id.Load(); ; {
		v := nx.resv.Load()
		if v&closedBit == 0 || v&(ownedMark|deadMark) != 0 {
			return false
		}
		if nx.resv.CompareAndSwap(v, closedWord(id)|mark) {
			return true
		}
	}
}

// next returns the offset that the next event will get, as of some moment of the call. It pins nothing, so that whoever
// looks often does not keep segments from being reused. While the upper part of the word stays the same the segment has
// not been reused; and when it was loaded as the newest one no later offset was reserved, so a full segment is right too.
func (p *partition[E]) next() uint64 {
	for {
		s := p.tail.Load()
		w := s.resv.Load()
		if w&closedBit != 0 && w&(ownedMark|deadMark) == 0 {
			continue // being reused: not the newest any more
		}
		q := s.reserved(w)
		if (s.resv.Load()^w)&^lateMask == 0 {
			return q
		}
	}
}
