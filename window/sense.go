package window

import (
	"fmt"
	"time"
)

// Sense returns the signals whose names a pattern covers, oldest first. See [Window.Find] for more conditions.
func (w *Window) Sense(pattern string) ([]Signal, error) { return w.Find(pattern).Signals() }

// SenseFunc returns the signals for which f returns true, oldest first. f runs on the caller's goroutine and sees one
// snapshot, signal by signal, each good until f returns; if it panics, the error is a PanicError.
func (w *Window) SenseFunc(f func(*Signal) bool) ([]Signal, error) {
	return w.Find("").Where(f).Signals()
}

// Count returns how many signals the pattern covers of those within the last span of the window's clock, which must be above
// 0; Forever is all.
func (w *Window) Count(pattern string, span time.Duration) (int, error) {
	if err := checkSpan(span); err != nil {
		return 0, err
	}
	return w.Find(pattern).Within(span).Count()
}

// Any reports whether the pattern covers a signal within the last span, which must be above 0.
func (w *Window) Any(pattern string, span time.Duration) (bool, error) {
	if err := checkSpan(span); err != nil {
		return false, err
	}
	return w.Find(pattern).Within(span).Any()
}

// First returns the oldest signal that the pattern covers; not ok if there is none.
func (w *Window) First(pattern string) (s Signal, ok bool, err error) { return w.Find(pattern).First() }

// Last returns the newest signal that the pattern covers; not ok if there is none.
func (w *Window) Last(pattern string) (s Signal, ok bool, err error) { return w.Find(pattern).Last() }

// Rate returns how many signals per second the pattern covers, over the last span, which must be above 0.
func (w *Window) Rate(pattern string, span time.Duration) (float64, error) {
	n, err := w.Count(pattern, span)
	return float64(n) / span.Seconds(), err
}

func checkSpan(span time.Duration) error {
	if span <= 0 {
		return fmt.Errorf("%w: span %v", ErrOption, span)
	}
	return nil
}
