package benchmarks

import (
	"math/rand/v2"
	"sync"
)

// A MutexRing is the obvious bounded store: an array, a counter and a mutex. It is the main reference.
type MutexRing[E any] struct {
	mu     sync.Mutex
	n      uint64
	events []E
	_      [88]byte // two rings share no cache line
}

// NewMutexRing makes a ring; the capacity is a power of two.
func NewMutexRing[E any](capacity int) *MutexRing[E] {
	return &MutexRing[E]{events: make([]E, capacity)}
}

// NewMutexRings makes n rings that share the capacity.
func NewMutexRings(n, capacity int) []*MutexRing[Event] {
	rings := make([]*MutexRing[Event], n)
	for i := range rings {
		rings[i] = NewMutexRing[Event](capacity / n)
	}
	return rings
}

// Append stores e.
func (r *MutexRing[E]) Append(e E) {
	r.mu.Lock()
	r.events[r.n&uint64(len(r.events)-1)] = e
	r.n++
	r.mu.Unlock()
}

// AppendBatch stores the events under one lock.
func (r *MutexRing[E]) AppendBatch(events []E) {
	r.mu.Lock()
	for i := range events {
		r.events[r.n&uint64(len(r.events)-1)] = events[i]
		r.n++
	}
	r.mu.Unlock()
}

// Appended returns how many events were ever stored.
func (r *MutexRing[E]) Appended() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.n
}

// Copy returns what the ring holds, in dst if that is large enough. The order is that of the slots.
func (r *MutexRing[E]) Copy(dst []E) []E {
	r.mu.Lock()
	dst = append(dst[:0], r.events[:min(r.n, uint64(len(r.events)))]...)
	r.mu.Unlock()
	return dst
}

// shards is the number of rings in a ShardedRing.
const shards = 8

// A ShardedRing is eight mutex rings. A writer takes the first free one from a random start.
type ShardedRing struct{ rings []*MutexRing[Event] }

// NewShardedRing makes a ring of eight that share the capacity.
func NewShardedRing(capacity int) *ShardedRing {
	return &ShardedRing{NewMutexRings(shards, capacity)}
}

// Append stores e in some shard.
func (s *ShardedRing) Append(e Event) {
	start := rand.Uint64()
	for i := range uint64(shards) {
		r := s.rings[(start+i)&(shards-1)]
		if r.mu.TryLock() {
			r.events[r.n&uint64(len(r.events)-1)] = e
			r.n++
			r.mu.Unlock()
			return
		}
	}
	s.rings[start&(shards-1)].Append(e)
}

// Appended returns how many events were ever stored.
func (s *ShardedRing) Appended() (n uint64) {
	for _, r := range s.rings {
		n += r.Appended()
	}
	return n
}
