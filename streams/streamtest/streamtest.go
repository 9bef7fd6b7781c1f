// Package streamtest is the suite that every streams.Log passes.
//
//	func TestLog(t *testing.T) {
//		streamtest.Run(t, func(t testing.TB, o streams.Options) streams.Log {
//			log, err := streams.New(o)
//			if err != nil {
//				t.Fatal(err)
//			}
//			return log
//		})
//	}
//
// Every case has a name and enforces one rule, which a failure repeats. The tests of this package plant bugs in a log, and
// each case finds some of them.
package streamtest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/streams"
)

// Open returns a new, empty log with the options; the suite closes it.
type Open func(t testing.TB, o streams.Options) streams.Log

// A testCase enforces one rule. It returns what broke it.
type testCase struct {
	name, rule string
	options    streams.Options
	run        func(c *call) error
}

// Run runs every case as a subtest.
func Run(t *testing.T, open Open) {
	t.Helper()
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			if err := c.try(t.Context(), t, open); err != nil {
				t.Error(err)
			}
		})
	}
}

// patience ends a case that hangs.
const patience = time.Minute

func (c *testCase) try(ctx context.Context, t testing.TB, open Open) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	l := open(t, c.options)
	err := c.run(&call{ctx: ctx, log: l})
	if e := l.Close(); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("rule: %s\nbroken: %w", c.rule, err)
	}
	return nil
}

func cases() []testCase {
	return slices.Concat(appendCases(), keyCases(), readCases(), followCases(), otherCases())
}

// call makes the methods of a log short.
type call struct {
	ctx context.Context
	log streams.Log
}

// ev returns an event with data {"n":n}.
func ev(n int) streams.Event {
	return streams.Event{Type: "t", Data: []byte(fmt.Sprintf(`{"n":%d}`, n))}
}

// withID returns ev(n) with an id.
func withID(id string, n int) streams.Event {
	e := ev(n)
	e.ID = id
	return e
}

func (c *call) add(stream string, expect streams.Expect, events ...streams.Event) (streams.Result, error) {
	return c.log.Append(c.ctx, streams.Append{Stream: stream, Expect: expect, Events: events})
}

// fill appends events 1 to n, one by one.
func (c *call) fill(stream string, n int) error {
	for i := range n {
		if _, err := c.add(stream, streams.ExpectAny, ev(i+1)); err != nil {
			return err
		}
	}
	return nil
}

// versions reads a page and returns its versions, after checking that each event is the one that fill appended.
func (c *call) versions(r streams.Read) ([]uint64, streams.Page, error) {
	p, err := c.log.Read(c.ctx, r)
	var list []uint64
	for i := range p.Events {
		e := &p.Events[i]
		if want := fmt.Sprintf(`{"n":%d}`, e.Version); string(e.Data) != want || e.Stream != r.Stream || e.Type != "t" || e.Time.IsZero() {
			return nil, p, fmt.Errorf("event %+v, want data %s", *e, want)
		}
		list = append(list, e.Version)
	}
	return list, p, err
}

// wantVersions reads and compares.
func (c *call) wantVersions(r streams.Read, want ...uint64) (streams.Page, error) {
	got, p, err := c.versions(r)
	if err == nil && !slices.Equal(got, want) {
		err = fmt.Errorf("reading %+v gives %v, want %v", r, got, want)
	}
	return p, err
}

// wantVersion compares the version of a stream.
func (c *call) wantVersion(stream string, want uint64) error {
	i, err := c.log.Info(c.ctx, stream)
	if err == nil && i.Version != want {
		err = fmt.Errorf("%s is at version %d, want %d", stream, i.Version, want)
	}
	return err
}

// wantResult compares where an append went.
func wantResult(r streams.Result, err error, first, last uint64, duplicate bool) error {
	if err == nil && (r.First != first || r.Last != last || r.Duplicate != duplicate || r.Epoch.IsZero()) {
		err = fmt.Errorf("result %+v, want %d to %d, duplicate %v", r, first, last, duplicate)
	}
	return err
}

// wantError compares errors.
func wantError(what string, got, want error) error {
	if got == nil {
		return fmt.Errorf("%s: no error, want %w", what, want)
	}
	if !errors.Is(got, want) {
		return fmt.Errorf("%s: error %w, want %w", what, got, want)
	}
	return nil
}

// all returns the first error.
func all(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// follow starts a subscription; next returns its messages one by one, stop ends it.
func (c *call) follow(s streams.Subscription) (next func() (streams.Message, error), stop func()) {
	ctx, cancel := context.WithCancel(c.ctx)
	pull, end := iter.Pull2(c.log.Subscribe(ctx, s))
	next = func() (streams.Message, error) {
		m, err, ok := pull()
		if !ok {
			return m, errors.New("the subscription is over")
		}
		return m, err
	}
	return next, func() {
		cancel()
		end()
	}
}

// expectMessages compares the next messages, written as "name@version", "gap name 1-3 limit", "caughtup".
func expectMessages(next func() (streams.Message, error), want ...string) error {
	for i, w := range want {
		m, err := next()
		if err != nil {
			return fmt.Errorf("message %d: %w, want %s", i, err, w)
		}
		if got := show(m); got != w {
			return fmt.Errorf("message %d is %q, want %q", i, got, w)
		}
	}
	return nil
}

func show(m streams.Message) string {
	switch m.Kind {
	case streams.MessageEvent:
		return fmt.Sprintf("%s@%d", m.Stream, m.Event.Version)
	case streams.MessageGap:
		return fmt.Sprintf("gap %s %d-%d %s", m.Gap.Stream, m.Gap.From, m.Gap.To, m.Gap.Cause)
	case streams.MessageCaughtUp:
		return "caughtup"
	}
	return "fellbehind"
}

func long(n int) string { return strings.Repeat("x", n) }
