package window

import (
	"slices"
	"time"
)

// A Breaker is a circuit breaker without state of its own: it is open while the window holds as many failures within a
// span as its threshold, and closes by itself when they grow old. Failures are plain signals, so that every part of a
// service can raise them, and they survive a restart. Bad fields are errors of its methods.
type Breaker struct {
	Window    *Window
	Failures  string        // pattern; "" means ErrorPattern
	Key       string        // "" means failures of every key
	Span      time.Duration // 0 means 30 seconds
	Threshold int           // 0 means 5
}

// IsOpen reports whether calls should be refused. With an error it does not.
func (b Breaker) IsOpen() (bool, error) {
	wait, err := b.ClosesIn()
	return wait > 0, err
}

// ClosesIn returns how long the breaker stays open if nothing else fails: until the failure that completes the threshold,
// counted from the newest one, has left the span. It is 0 for a closed breaker.
func (b Breaker) ClosesIn() (time.Duration, error) {
	if b.Failures == "" {
		b.Failures = ErrorPattern
	}
	if b.Span == 0 {
		b.Span = 30 * time.Second
	}
	if b.Threshold == 0 {
		b.Threshold = 5
	}
	if err := checkBurst(b.Window, b.Span, b.Threshold); err != nil {
		return 0, err
	}
	q := b.Window.Find(b.Failures).Within(b.Span)
	if b.Key != "" {
		q = q.Key(b.Key)
	}
	newest, err := newestTimes(q, b.Threshold)
	if err != nil || len(newest) < b.Threshold {
		return 0, err
	}
	left := newest[0].Add(b.Span).Sub(b.Window.reading())
	if left < Forever {
		left++ // a failure exactly as old as the span still counts
	}
	return max(left, 0), nil // time went on since the question was asked
}

// newestTimes returns the latest n times of the selected signals, or all if they are fewer, in order.
func newestTimes(q Query, n int) ([]time.Time, error) {
	var list []time.Time
	for s := range q.All() {
		i, _ := slices.BinarySearchFunc(list, s.Time, time.Time.Compare)
		switch {
		case len(list) < n:
			list = slices.Insert(list, i, s.Time)
		case i > 0:
			copy(list, list[1:i])
			list[i-1] = s.Time
		}
	}
	return list, q.Err()
}
