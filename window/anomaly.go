package window

import (
	"fmt"
	"time"
)

// ErrorPattern is a pattern of names that tell of errors: "error", "error.io", "error:Timeout".
const ErrorPattern = "error,error.*,error:*"

// An Anomaly finds bursts: as many signals of a pattern within a span as its threshold, or more. It keeps nothing and
// asks the window each time. Bad fields are errors of its methods.
type Anomaly struct {
	Window    *Window
	Pattern   string
	Span      time.Duration // 0 means 10 seconds
	Threshold int           // 0 means 5
}

// Count returns how many signals there are within the span.
func (a Anomaly) Count() (int, error) {
	span, threshold := a.Span, a.Threshold
	if span == 0 {
		span = 10 * time.Second
	}
	if err := checkBurst(a.Window, span, threshold); err != nil {
		return 0, err
	}
	return a.Window.Count(a.Pattern, span)
}

// Detected reports whether the threshold is reached.
func (a Anomaly) Detected() (bool, error) {
	n, err := a.Count()
	threshold := a.Threshold
	if threshold == 0 {
		threshold = 5
	}
	return err == nil && n >= threshold, err
}

// checkBurst checks the fields that an Anomaly and a Breaker share, behind their defaults.
func checkBurst(w *Window, span time.Duration, threshold int) error {
	switch {
	case w == nil:
		return fmt.Errorf("%w: no Window", ErrOption)
	case span < 0 || threshold < 0:
		return fmt.Errorf("%w: span %v, threshold %d", ErrOption, span, threshold)
	}
	return nil
}
