package main

import (
	"context"
	"fmt"
	"time"
)

// takeOrders is the application: it knows that it raises signals, and nothing of what becomes of them.
func takeOrders(ctx context.Context, o options, m *monitor) (taken int, err error) {
	clock := time.NewTicker(o.every)
	defer clock.Stop()
	first := m.window.Stats().LastSequence + 1
	for taken < o.orders {
		select {
		case <-ctx.Done():
			return taken, nil
		case <-clock.C:
		}
		if _, err := m.window.Raise(outcome(taken), fmt.Sprintf("order-%d", first+uint64(taken))); err != nil {
			return taken, err
		}
		taken++
		if err := m.judge(); err != nil {
			return taken, err
		}
	}
	return taken, nil
}

// outcome says what became of the n-th order of a run, counted from 0.
func outcome(n int) string {
	switch {
	case n%100 >= 60 && n%100 < 80:
		return "error.payment.timeout"
	case n%37 == 36:
		return "error.stock.missing"
	}
	return "order.done"
}
