//go:build explore

package explore

import (
	"runtime"
	"sync/atomic"
)

// Mutex is a mutual exclusion lock known to the scheduler. The zero value is
// unlocked. Outside of an exploration it is a plain spinning lock.
type Mutex struct {
	locked atomic.Bool
	word   Word
	holder int // meaningful while locked by a thread
}

// Lock takes the lock. The calling thread is not scheduled while it is held.
func (m *Mutex) Lock() {
	s := current
	if s == nil {
		for !m.locked.CompareAndSwap(false, true) {
			runtime.Gosched()
		}
		return
	}
	m.take(s, s.point("Mutex.Lock", m))
}

func (m *Mutex) take(s *scheduler, t *thread) {
	m.locked.Store(true)
	m.holder = t.id
	m.word.acquire(s, t)
}

// TryLock takes the lock if it is free. A failed attempt synchronises nothing.
func (m *Mutex) TryLock() bool {
	s := current
	if s == nil {
		return m.locked.CompareAndSwap(false, true)
	}
	t := s.point("Mutex.TryLock", nil)
	if m.locked.Load() {
		return false
	}
	m.take(s, t)
	return true
}

// Unlock releases the lock. It is a scheduling point, because TryLock can tell
// whether it happened.
func (m *Mutex) Unlock() {
	s := current
	if s == nil {
		if !m.locked.Swap(false) {
			panic("explore: unlock of unlocked mutex")
		}
		return
	}
	t := s.point("Mutex.Unlock", nil)
	if !m.locked.Load() {
		s.Fail("thread %d unlocks an unlocked mutex", t.id)
	}
	m.word.publish(s, t)
	m.locked.Store(false)
}
