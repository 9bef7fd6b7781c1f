package streamtest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/streams"
)

func appendCases() []testCase {
	return []testCase{
		{name: "versions", rule: "a stream's events have the versions 1, 2, 3, …, and its version is their number", run: caseVersions},
		{name: "expect", rule: "an append whose expectation does not hold stores nothing and tells the version", run: caseExpect},
		{name: "epoch", rule: "an append for another epoch is a conflict", run: caseEpoch},
		{name: "race", rule: "of writers that expect the same version exactly one succeeds", run: raceForVersions},
		{name: "invalid", rule: "what cannot be stored is refused, the whole batch with it", run: refuseInvalid},
		{name: "fields", rule: "id, type, time, data and meta come back as they were", run: caseFields},
		{name: "names", rule: "names of any characters work, and streams do not touch each other", run: caseNames},
		{name: "mine", rule: "what the caller does to its slices behind an append changes nothing", run: caseMine},
	}
}

func raceForVersions(c *call) error {
	const writers, rounds = 4, 40
	won := make([]int, rounds)
	var mu sync.Mutex
	var wg sync.WaitGroup
	var failure error
	for range writers {
		wg.Go(func() {
			for v := range rounds {
				_, err := c.add("a", streams.ExpectVersion(uint64(v)), ev(v+1))
				mu.Lock()
				if err == nil {
					won[v]++
				} else if !errors.Is(err, streams.ErrConflict) {
					failure = err
				}
				mu.Unlock()
				for err != nil && failure == nil { // until somebody has won this round
					i, e := c.log.Info(c.ctx, "a")
					if e != nil || i.Version > uint64(v) {
						break
					}
				}
			}
		})
	}
	wg.Wait()
	for v, n := range won {
		if n != 1 && failure == nil {
			failure = fmt.Errorf("%d writers appended version %d", n, v+1)
		}
	}
	return all(failure, c.wantVersion("a", rounds))
}

func refuseInvalid(c *call) error {
	bad := func(change func(e *streams.Event)) streams.Event {
		e := ev(2)
		change(&e)
		return e
	}
	for name, e := range map[string]streams.Event{
		"no data":           bad(func(e *streams.Event) { e.Data = nil }),
		"cut data":          bad(func(e *streams.Event) { e.Data = []byte(`{"n":`) }),
		"two values":        bad(func(e *streams.Event) { e.Data = []byte(`1 2`) }),
		"NaN":               bad(func(e *streams.Event) { e.Data = []byte(`NaN`) }),
		"number too large":  bad(func(e *streams.Event) { e.Data = []byte(`1e999`) }),
		"leading zero":      bad(func(e *streams.Event) { e.Data = []byte(`01`) }),
		"member twice":      bad(func(e *streams.Event) { e.Data = []byte(`{"a":1,"b":2,"a":3}`) }),
		"bad UTF-8":         bad(func(e *streams.Event) { e.Data = []byte("\"\xff\"") }),
		"control character": bad(func(e *streams.Event) { e.ID = "a\x00b" }),
		"long id":           bad(func(e *streams.Event) { e.ID = long(streams.MaxKeyBytes + 1) }),
		"long type":         bad(func(e *streams.Event) { e.Type = long(streams.MaxTypeBytes + 1) }),
		"meta is no object": bad(func(e *streams.Event) { e.Meta = []byte(`[1]`) }),
		"year 10000":        bad(func(e *streams.Event) { e.Time = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }),
		"deep":              bad(func(e *streams.Event) { e.Data = []byte(deep(5000)) }),
	} {
		if _, err := c.add("a", streams.ExpectAny, ev(1), e); !errors.Is(err, streams.ErrInvalid) {
			return fmt.Errorf("%s: error %w, want %w", name, err, streams.ErrInvalid)
		}
	}
	for _, name := range []string{"", "a//b", "/a", "a/", ".", "a/../b", "a*", "a?b", "a,b", "a\nb", "\xff", long(streams.MaxNameBytes + 1)} {
		if _, err := c.add(name, streams.ExpectAny, ev(1)); !errors.Is(err, streams.ErrInvalid) {
			return fmt.Errorf("stream %q: error %w, want %w", name, err, streams.ErrInvalid)
		}
	}
	_, err := c.add("a", streams.ExpectAny)
	if err := wantError("no event", err, streams.ErrInvalid); err != nil {
		return err
	}
	many := make([]streams.Event, streams.MaxAppend+1)
	for i := range many {
		many[i] = ev(1)
	}
	_, err = c.add("a", streams.ExpectAny, many...)
	if err := wantError("too many events", err, streams.ErrTooLarge); err != nil {
		return err
	}
	_, err = c.add("a", streams.ExpectAny, streams.Event{Data: []byte(`"` + long(streams.MaxDataBytes) + `"`)})
	return all(wantError("too much data", err, streams.ErrTooLarge), c.wantVersion("a", 0))
}

func deep(n int) string {
	b := make([]byte, 0, 2*n)
	for range n {
		b = append(b, '[')
	}
	for range n {
		b = append(b, ']')
	}
	return string(b)
}

func caseVersions(c *call) error {
	r, err := c.add("a", streams.ExpectAny, ev(1))
	if err := wantResult(r, err, 1, 1, false); err != nil {
		return err
	}
	r, err = c.add("a", streams.ExpectAny, ev(2), ev(3), ev(4))
	if err := wantResult(r, err, 2, 4, false); err != nil {
		return err
	}
	_, err = c.wantVersions(streams.Read{Stream: "a"}, 1, 2, 3, 4)
	return all(err, c.wantVersion("a", 4), c.wantVersion("b", 0))
}

func caseExpect(c *call) error {
	type step struct {
		expect streams.Expect
		ok     bool
	}
	version := uint64(0)
	for i, s := range []step{
		{streams.ExpectVersion(1), false},
		{streams.ExpectExists, false},
		{streams.ExpectNoStream, true},
		{streams.ExpectNoStream, false},
		{streams.ExpectVersion(0), false},
		{streams.ExpectVersion(2), false},
		{streams.ExpectVersion(1), true},
		{streams.ExpectExists, true},
		{streams.ExpectAny, true},
		{streams.ExpectVersion(4), true},
		{streams.ExpectVersion(4), false},
	} {
		_, err := c.add("a", s.expect, ev(int(version)+1))
		if s.ok {
			version++
		} else if conflict := (*streams.ConflictError)(nil); !errors.As(err, &conflict) || conflict.Version != version || conflict.Epoch.IsZero() {
			return fmt.Errorf("step %d: error %w, want a conflict at version %d", i, err, version)
		} else if err = c.wantVersion("a", version); err != nil {
			return err
		} else {
			continue
		}
		if err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
	}
	_, err := c.wantVersions(streams.Read{Stream: "a"}, 1, 2, 3, 4, 5)
	return err
}

func caseEpoch(c *call) error {
	r, err := c.add("a", streams.ExpectAny, ev(1))
	if err != nil {
		return err
	}
	other := core.Epoch{9}
	_, err = c.log.Append(c.ctx, streams.Append{Stream: "a", Epoch: other, Events: []streams.Event{ev(2)}})
	if err := wantError("another epoch", err, streams.ErrConflict); err != nil {
		return err
	}
	_, err = c.log.Append(c.ctx, streams.Append{Stream: "a", Epoch: r.Epoch, Events: []streams.Event{ev(2)}})
	return all(err, c.wantVersion("a", 2))
}

func caseFields(c *call) error {
	at := time.Date(2026, 2, 3, 4, 5, 6, 789012345, time.FixedZone("x", 3600))
	want := streams.Event{ID: "é 1", Type: "order.placed", Time: at, Data: []byte(`{"a":[1,2.50,"x<&>"],"b":null}`), Meta: []byte(`{"source":"/x"}`)}
	if _, err := c.add("a/b c/%2F?x"[:5], streams.ExpectAny, want); err != nil {
		return err
	}
	p, err := c.log.Read(c.ctx, streams.Read{Stream: "a/b c"})
	if err != nil || len(p.Events) != 1 {
		return fmt.Errorf("%d events, %w", len(p.Events), err)
	}
	e := p.Events[0]
	if e.ID != want.ID || e.Type != want.Type || !e.Time.Equal(at) || string(e.Data) != string(want.Data) || string(e.Meta) != string(want.Meta) {
		return fmt.Errorf("got %+v (%s, %s)", e, e.Data, e.Meta)
	}
	return nil
}

func caseNames(c *call) error {
	names := []string{"a", "a/b", "a/b/c", "ä/ö ü", "100%", "a+b", "a&b=c", "a;b", "#x", "a%2Fb", "~", "a:b@c", "'\"", "日本"}
	for i, n := range names {
		for range i + 1 {
			if _, err := c.add(n, streams.ExpectAny, ev(1)); err != nil {
				return fmt.Errorf("%q: %w", n, err)
			}
		}
	}
	for i, n := range names {
		if err := c.wantVersion(n, uint64(i+1)); err != nil {
			return err
		}
	}
	return nil
}

func caseMine(c *call) error {
	e := ev(1)
	if _, err := c.add("a", streams.ExpectAny, e); err != nil {
		return err
	}
	copy(e.Data, `{"n":7}`)
	_, err := c.wantVersions(streams.Read{Stream: "a"}, 1)
	return err
}
