package core

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// lanes are partitions of which each has a writer's token. An append borrows a token from a pool that is local to the
// processor, so that appends on different processors touch no common memory. The last partition is shared: it takes
// what arrives while all tokens are out.
type lanes[E any] struct {
	parts    []*partition[E]
	overflow *partition[E]
	seen     *observer
	pool     sync.Pool // *Producer[E]

	idle atomic.Int32 // length of free, to look at it without the lock
	mu   sync.Mutex
	free []int // lanes without a token
}

func newLanes[E any](parts []*partition[E], seen *observer) *lanes[E] {
	n := len(parts) - 1
	l := &lanes[E]{parts: parts[:n], overflow: parts[n], seen: seen}
	for i, p := range l.parts {
		p.owner.Store(1)
		p.claim(ownedMark)
		l.free = append(l.free, i)
	}
	l.idle.Store(int32(n))
	return l
}

func (l *lanes[E]) append(e E) (Position, error) {
	w := l.borrow()
	if w == nil {
		pos, err := l.overflow.append(e)
		if err == nil && l.seen != nil {
			l.seen.appended(1)
		}
		return pos, err
	}
	pos, err := w.Append(e)
	l.pool.Put(w)
	return pos, err
}

func (l *lanes[E]) appendBatch(events []E) (Batch, error) {
	w := l.borrow()
	if w != nil {
		b, err := w.AppendBatch(events)
		l.pool.Put(w)
		return b, err
	}
	var b Batch
	for len(events) > 0 {
		part := events[:min(len(events), MaxBatch)]
		pos, err := l.overflow.appendMany(part, condition{})
		if err != nil {
			return b, err
		}
		b.add(Run{pos, len(part)})
		if l.seen != nil {
			l.seen.appended(len(part))
		}
		events = events[len(part):]
	}
	return b, nil
}

// borrow returns the token of some lane, or nil when all are out.
func (l *lanes[E]) borrow() *Producer[E] {
	if w, ok := l.pool.Get().(*Producer[E]); ok {
		return w
	}
	if l.idle.Load() == 0 {
		return nil
	}
	return l.issue()
}

// issue makes a token for a free lane. The pool may lose tokens to the garbage collector; the cleanup then frees the
// lane, and the next token starts from what stands in the partition.
func (l *lanes[E]) issue() *Producer[E] {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.free)
	if n == 0 {
		return nil
	}
	lane := l.free[n-1]
	l.free = l.free[:n-1]
	l.idle.Store(int32(n - 1))
	w := l.parts[lane].resume(l.seen)
	runtime.AddCleanup(w, l.lost, lane)
	return w
}

func (l *lanes[E]) lost(lane int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free = append(l.free, lane)
	l.idle.Store(int32(len(l.free)))
}
