package verify

import "sync/atomic"

// A quota is met when something has happened so often.
type quota struct {
	left atomic.Int64
	met  chan struct{}
}

func newQuota(n int64) *quota {
	q := &quota{met: make(chan struct{})}
	q.left.Store(n)
	return q
}

// one notes that it has happened once more.
func (q *quota) one() {
	if q.left.Add(-1) == 0 {
		close(q.met)
	}
}
