package core

import "github.com/ephemera-go/ephemera/core/internal/atomicx"

// A hazard announces which segments somebody is looking at, so that the maintainer does not reuse them:
// 0 is free, pinAll protects every segment, else the ids [lo, lo+span] are protected. A user's cut adds cutFlag.
type hazard struct {
	v atomicx.Uint64
}

const (
	pinAll    = 1
	pinRange  = 1 << 63
	cutFlag   = 1 << 62
	spanBits  = 24
	spanMask  = 1<<spanBits - 1
	pinIDMask = 1<<38 - 1
)

// narrow replaces pinAll by the ids [lo, hi], both of which are protected already. A span that does not fit stays
// pinAll: that costs memory, never safety.
func (h *hazard) narrow(lo, hi, flag uint64) {
	if hi-lo <= spanMask {
		h.v.Store(pinRange | flag | (lo&pinIDMask)<<spanBits | (hi - lo))
	} else {
		h.v.Store(pinAll | flag)
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

// pin takes a free slot and announces everything. It never fails and never waits.
func (l *hazards) pin() *hazard {
	if h := take(l.first[:]); h != nil {
		return h
	}
	for next := &l.more; ; {
		b := next.Load()
		if b == nil {
			next.CompareAndSwap(nil, new(hazardBlock))
			continue
		}
		if h := take(b.slots[:]); h != nil {
			return h
		}
		next = &b.more
	}
}

func take(slots []hazard) *hazard {
	for i := range slots {
		if h := &slots[i]; h.v.Load() == 0 && h.v.CompareAndSwap(0, pinAll) {
			return h
		}
	}
	return nil
}

// A pinKind says how a segment is protected.
type pinKind int

const (
	unpinned  pinKind = iota
	transient         // somebody announced everything for a moment
	edge              // the newest segment of a range
	interior          // a range goes on behind it
)

// of returns the strongest protection of segment id.
func (l *hazards) of(id uint64) pinKind {
	k := kindOf(l.first[:], id)
	for b := l.more.Load(); b != nil; b = b.more.Load() {
		k = max(k, kindOf(b.slots[:], id))
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
		if v&pinRange == 0 {
			k = max(k, transient)
			continue
		}
		switch d := (id - v>>spanBits) & pinIDMask; {
		case d < v&spanMask:
			k = max(k, interior)
		case d == v&spanMask:
			k = max(k, edge)
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
