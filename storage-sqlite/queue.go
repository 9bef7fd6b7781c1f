package sqlitestore

import (
	"context"
	"sync"

	"github.com/ephemera-go/ephemera/sinks"
)

// A queue lets one caller in at a time, strictly in the order in which they came. A channel would do the same today, but
// promises no order.
type queue struct {
	mu      sync.Mutex
	busy    bool
	closed  bool
	waiting []chan struct{} // closed channel: go ahead
}

// enter waits until all who came before have left. On nil the caller must call leave.
func (q *queue) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return sinks.ErrClosed
	}
	if !q.busy {
		q.busy = true
		q.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	q.waiting = append(q.waiting, turn)
	q.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		return q.abandon(ctx, turn)
	}
}

// abandon gives a place up. If its turn came at the same moment, it is handed on.
func (q *queue) abandon(ctx context.Context, turn chan struct{}) error {
	q.mu.Lock()
	for i, other := range q.waiting {
		if other == turn {
			q.waiting = append(q.waiting[:i], q.waiting[i+1:]...)
			q.mu.Unlock()
			return ctx.Err()
		}
	}
	q.mu.Unlock()
	q.leave()
	return ctx.Err()
}

func (q *queue) leave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.busy = false
		return
	}
	close(q.waiting[0])
	q.waiting = q.waiting[1:]
}

// close refuses newcomers and waits for everybody who is in already. It is called once; leave ends it.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	if !q.busy {
		q.busy = true
		q.mu.Unlock()
		return
	}
	turn := make(chan struct{})
	q.waiting = append(q.waiting, turn)
	q.mu.Unlock()
	<-turn
}
