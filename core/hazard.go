package core

import "github.com/ephemera-go/ephemera/core/internal/atomicx"

// A hazard announces which segments somebody is looking at, so that the maintainer does not reuse them:
// 0 is free; pinFrom protects the ids from lo on, for a moment; pinRange protects [lo, lo+span]. A user's cut adds
// cutFlag.
type hazard struct {
	v atomicx.Uint64
}

const (
	pinRange  = 1 << 63
	cutFlag   = 1 << 62
	pinFrom   = 1 << 61
	spanBits  = 24
	spanMask  = 1<<spanBits - 1
	pinIDMask = 1<<37 - 1
)

// narrow replaces pinFrom by the ids [lo, hi], which are protected already. A span that does not fit stays open at the
// far end: that costs memory, never safety.
func (h *hazard) narrow(lo, hi, flag uint64) {
	if hi-lo <= spanMask {
		h.v.Store(pinRange | flag | (lo&pinIDMask)<<spanBits | (hi - lo))
	} else {
		h.v.Store(pinFrom | flag | (lo&pinIDMask)<<spanBits)
	}
}

func (h *hazard) release() { h.v.Store(0) }

// hazards is a list of slots that only grows. The first block is small because most partitions have one reader.
type hazards struct {
	first [4]hazard
	more  atomicx.Pointer[hazardBlock]
}

type hazardBlock struct {
	slots [8]hazard
	more  atomicx.Pointer[hazardBlock]
}

// announce takes a free slot for the ids from lo on. It never fails and never waits.
func (l *hazards) announce(lo uint64) *hazard {
	v := pinFrom | (lo&pinIDMask)<<spanBits
	if h := &l.first[0]; h.v.Load() == 0 && h.v.CompareAndSwap(0, v) {
		return h // as a rule there is one reader at a time
	}
	if h := take(l.first[:], v); h != nil {
		return h
	}
	for next := &l.more; ; {
		b := next.Load()
		if b == nil {
			next.CompareAndSwap(nil, new(hazardBlock))
			continue
		}
		if h := take(b.slots[:], v); h != nil {
			return h
		}
		next = &b.more
	}
}

func take(slots []hazard, v uint64) *hazard {
	for i := range slots {
		if h := &slots[i]; h.v.Load() == 0 && h.v.CompareAndSwap(0, v) {
			return h
		}
	}
	return nil
}

// A pinKind says how a segment is protected: a set, because several pins may cover it.
type pinKind int

const (
	unpinned  pinKind = 0
	edge      pinKind = 1 // it is the newest segment of a range
	interior  pinKind = 2 // a range goes on behind it
	transient pinKind = 4 // somebody announced it and all that follows, which may become either
)

// of returns how segment id is protected.
func (l *hazards) of(id uint64) pinKind {
	k := kindOf(l.first[:], id)
	for b := l.more.Load(); b != nil; b = b.more.Load() {
		k |= kindOf(b.slots[:], id)
	}
	return k
}

func kindOf(slots []hazard, id uint64) pinKind {
	k := unpinned
	for i := range slots {
		v := slots[i].v.Load()
		if v == 0 {
			continue
		}
		switch d := (id - v>>spanBits) & pinIDMask; {
		case v&pinRange == 0:
			if d <= pinIDMask/2 {
				k |= transient
			}
		case d < v&spanMask:
			k |= interior
		case d == v&spanMask:
			k |= edge
		}
	}
	return k
}

// cuts counts the slots of users' cuts.
func (l *hazards) cuts() int {
	n := 0
	count := func(slots []hazard) {
		for i := range slots {
			if slots[i].v.Load()&cutFlag != 0 {
				n++
			}
		}
	}
	count(l.first[:])
	for b := l.more.Load(); b != nil; b = b.more.Load() {
		count(b.slots[:])
	}
	return n
}

// pin protects the oldest linked segment and all that follow. What it reads before it announces is not protected; it
// only has to name an id that is not above the oldest one's: while the head stays the same its id does, and ids of
// heads only grow.
func (p *partition[E]) pin() *hazard {
	for {
		s := p.head.Load()
		if id := s.id.Load(); p.head.Load() == s {
			return p.pins.announce(id)
		}
	}
}
