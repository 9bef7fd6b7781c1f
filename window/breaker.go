package window

import (
	"fmt"
	"slices"
	"time"
)

// A Breaker is a circuit breaker without state of its own: it is open while the window holds as many failures within a
// span as its threshold, and closes by itself when they grow old. Failures are plain signals, so that every part of a
// service can raise them, and they survive a restart. Bad fields are errors of its methods.
type Breaker struct {
	Window    *Window
	Failures  string        // pattern; "" means ErrorNames
	Key       string        // "" means failures of every key
	Span      time.Duration // 0 means 30 seconds
	Threshold int           // 0 means 5
}

// Open reports whether calls should be refused.
func (b Breaker) Open() (bool, error) {
	wait, err := b.ClosesIn()
	return wait > 0, err
}

// ClosesIn returns how long the breaker stays open if nothing else fails: until the failure that completes the threshold,
// counted from the newest one, has left the span. It is 0 for a closed breaker.
func (b Breaker) ClosesIn() (time.Duration, error) {
	if b.Failures == "" {
		b.Failures = ErrorNames
	}
	if b.Span == 0 {
		b.Span = 30 * time.Second
	}
	if b.Threshold == 0 {
		b.Threshold = 5
	}
	if b.Span < 0 || b.Threshold < 0 {
		return 0, fmt.Errorf("%w: span %v, threshold %d", ErrOption, b.Span, b.Threshold)
	}
	q := b.Window.Find(b.Failures).Within(b.Span)
	if b.Key != "" {
		q = q.Key(b.Key)
	}
	list, err := q.Signals()
	if err != nil || len(list) < b.Threshold {
		return 0, err
	}
	times := make([]time.Time, len(list))
	for i := range list {
		times[i] = list[i].Time
	}
	slices.SortFunc(times, time.Time.Compare)
	left := times[len(times)-b.Threshold].Add(b.Span).Sub(b.Window.reading())
	return left + 1, nil // a failure exactly as old as the span still counts
}
