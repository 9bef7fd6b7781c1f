package main

import (
	"context"
	"math"
	"strconv"
	"time"

	"github.com/ephemera-go/ephemera/window"
)

// keptBursts bounds the list of bursts; all of them are counted.
const keptBursts = 100

// burst is a time in which a name came often. It ends when there were not enough signals for as long as the span.
type burst struct {
	Name string    `json:"name"`
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	Peak int       `json:"peak"` // most signals within one span
}

// bursts watches every name with an anomaly detector. Its window is its own: it is in memory and forgets soon, so that a
// look is cheap, and signals that were restored are no part of a burst. Looks are taken when a second of the log's time
// is over and on request.
type bursts struct {
	rule     burstRule
	window   *window.Window
	clock    *logClock
	states   map[string]*burstState
	touched  []*burstState // names that came since the last look
	detected int
	kept     []*burst // the newest
	began    func(burst)
}

type burstState struct {
	name     string
	id       string // the name in the window, free of characters that mean something in a pattern
	detector window.Anomaly
	touched  bool
	open     *burst

	// How many signals came in this stretch of the log's time, as long as the span, and in the one before: together at
	// least as many as in the last span. A log with thousands of rare names would otherwise have each asked about.
	stretch       time.Time
	came, earlier int
}

// count is called with the time of the newest line.
func (s *burstState) count(now time.Time, span time.Duration) {
	switch stretch := now.Truncate(span); {
	case stretch.Equal(s.stretch):
	case stretch.Equal(s.stretch.Add(span)):
		s.stretch, s.earlier, s.came = stretch, s.came, 0
	default:
		s.stretch, s.earlier, s.came = stretch, 0, 0
	}
	s.came++
}

func newBursts(rule burstRule, maxNames int, began func(burst)) (*bursts, error) {
	b := &bursts{rule: rule, clock: &logClock{wall: time.Now}, states: make(map[string]*burstState), began: began}
	var err error
	b.window, err = window.New(context.Background(), window.Options{
		Capacity: math.MaxInt32, MaxAge: 2 * rule.span, MaxNames: maxNames, Clock: b.clock.now,
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

func (b *bursts) close() error { return b.window.Close() }

// add takes a signal that the main window has accepted.
func (b *bursts) add(name string, at time.Time) error {
	if at.Truncate(time.Second).After(b.clock.now()) {
		if err := b.look(); err != nil {
			return err
		}
	}
	s := b.states[name]
	if s == nil {
		s = &burstState{name: name, id: strconv.Itoa(len(b.states))}
		s.detector = window.Anomaly{Window: b.window, Pattern: s.id, Span: b.rule.span, Threshold: b.rule.least}
		b.states[name] = s
	}
	if _, err := b.window.RaiseSignal(window.Signal{Name: s.id, Time: at}); err != nil {
		return err
	}
	b.clock.observe(at)
	s.count(b.clock.now(), b.rule.span)
	if !s.touched {
		s.touched = true
		b.touched = append(b.touched, s)
	}
	return nil
}

// look judges the names that came since it did the last time.
func (b *bursts) look() error {
	for _, s := range b.touched {
		s.touched = false
		if err := b.judge(s); err != nil {
			return err
		}
	}
	b.touched = b.touched[:0]
	return nil
}

func (b *bursts) judge(s *burstState) error {
	if s.came+s.earlier < b.rule.least {
		return nil
	}
	n, err := s.detector.Count()
	if err != nil || n < b.rule.least {
		return err
	}
	now := b.clock.now()
	if s.open != nil && !s.open.To.Before(now.Add(-b.rule.span)) {
		s.open.To, s.open.Peak = now, max(s.open.Peak, n)
		return nil
	}
	first, _, err := b.window.Find(s.id).Within(b.rule.span).First()
	if err != nil {
		return err
	}
	s.open = &burst{Name: s.name, From: first.Time, To: now, Peak: n}
	b.detected++
	if b.kept = append(b.kept, s.open); len(b.kept) > keptBursts {
		b.kept = b.kept[1:]
	}
	b.began(*s.open)
	return nil
}

func (b *bursts) newest() []burst {
	list := make([]burst, len(b.kept))
	for i, x := range b.kept {
		list[i] = *x
	}
	return list
}
