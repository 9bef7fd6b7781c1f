package streamtest

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/ephemera-go/ephemera/streams"
)

func keyCases() []testCase {
	return []testCase{
		{name: "key", rule: "the same key with the same payload gives the first result and stores nothing, whatever is expected", run: caseKey},
		{name: "key-spelling", rule: "white space, order of members and escapes do not make another payload", run: caseKeySpelling},
		{name: "key-reused", rule: "the same key with another payload is an error that names it and stores nothing", run: caseKeyReused},
		{name: "ids", rule: "events whose ids are all known, in the same order, are a duplicate", run: caseIds},
		{name: "ids-partly", rule: "a batch of which only some ids are known, or in another order, or with other payloads, stores nothing and names them", run: caseIdsPartly},
		{name: "keys-per-stream", rule: "keys are per stream", run: caseKeysPerStream},
		{
			name: "keys-bounded", rule: "of more keys than MaxKeys the oldest are forgotten, and no others", options: streams.Options{MaxKeys: 10},
			run: caseKeysBounded,
		},
		{name: "key-race", rule: "of concurrent appends with one key exactly one stores", run: caseKeyRace},
	}
}

// fillFrom appends events from to to, one by one.
func fillFrom(c *call, stream string, from, to int) error {
	for n := from; n <= to; n++ {
		if _, err := c.add(stream, streams.ExpectAny, ev(n)); err != nil {
			return err
		}
	}
	return nil
}

func caseKey(c *call) error {
	a := streams.Append{Stream: "a", Key: "k1", Expect: streams.ExpectNoStream, Events: []streams.Event{ev(1), ev(2)}}
	r, err := c.log.Append(c.ctx, a)
	if err := wantResult(r, err, 1, 2, false); err != nil {
		return err
	}
	if err := fillFrom(c, "a", 3, 3); err != nil {
		return err
	}
	for _, e := range []streams.Expect{streams.ExpectNoStream, streams.ExpectAny, streams.ExpectVersion(77)} {
		a.Expect = e
		r, err := c.log.Append(c.ctx, a)
		if err := wantResult(r, err, 1, 2, true); err != nil {
			return err
		}
	}
	return c.wantVersion("a", 3)
}

func caseKeySpelling(c *call) error {
	first := streams.Event{Type: "t", Data: []byte(`{"n":1,"text":"é/"}`)}
	again := streams.Event{Type: "t", Data: []byte("{ \"text\" : \"\\u00e9\\/\",\n \"n\" : 1 }")}
	for i, e := range []streams.Event{first, again} {
		r, err := c.log.Append(c.ctx, streams.Append{Stream: "a", Key: "k", Events: []streams.Event{e}})
		if err := wantResult(r, err, 1, 1, i == 1); err != nil {
			return err
		}
	}
	return nil
}

func caseKeyReused(c *call) error {
	first := withID("x", 1)
	if _, err := c.log.Append(c.ctx, streams.Append{Stream: "a", Key: "k", Events: []streams.Event{first}}); err != nil {
		return err
	}
	for name, e := range map[string]streams.Event{
		"data": withID("x", 2), "id": withID("y", 1), "type": {ID: "x", Type: "u", Data: first.Data},
		"meta": {ID: "x", Type: "t", Data: first.Data, Meta: []byte(`{"a":1}`)},
	} {
		_, err := c.log.Append(c.ctx, streams.Append{Stream: "a", Key: "k", Events: []streams.Event{e}})
		if k := (*streams.KeyError)(nil); !errors.As(err, &k) || !slices.Equal(k.Keys, []string{"k"}) {
			return fmt.Errorf("other %s: error %w", name, err)
		}
	}
	return c.wantVersion("a", 1)
}

func caseIds(c *call) error {
	for n := range 4 {
		r, err := c.add("a", streams.ExpectAny, withID(strconv.Itoa(n+1), n+1))
		if err := wantResult(r, err, uint64(n+1), uint64(n+1), false); err != nil {
			return err
		}
	}
	r, err := c.add("a", streams.ExpectNoStream, withID("2", 2), withID("3", 3))
	if err := wantResult(r, err, 2, 3, true); err != nil {
		return err
	}
	r, err = c.add("a", streams.ExpectAny, withID("2", 2))
	return all(wantResult(r, err, 2, 2, true), c.wantVersion("a", 4))
}

func caseIdsPartly(c *call) error {
	if _, err := c.add("a", streams.ExpectAny, withID("1", 1), withID("2", 2)); err != nil {
		return err
	}
	for _, x := range []struct {
		batch   []streams.Event
		keys    []string
		partial bool
	}{
		{[]streams.Event{withID("2", 2), withID("3", 3)}, []string{"2"}, true},
		{[]streams.Event{withID("2", 2), withID("1", 1)}, []string{"2", "1"}, true},
		{[]streams.Event{withID("1", 1), withID("2", 9)}, []string{"2"}, false},
	} {
		_, err := c.add("a", streams.ExpectAny, x.batch...)
		if k := (*streams.KeyError)(nil); !errors.As(err, &k) || !slices.Equal(k.Keys, x.keys) || k.Partial != x.partial {
			return fmt.Errorf("batch %v: error %w", x.keys, err)
		}
	}
	_, err := c.add("a", streams.ExpectAny, withID("9", 1), withID("9", 1))
	return all(wantError("one id twice", err, streams.ErrInvalid), c.wantVersion("a", 2))
}

func caseKeysPerStream(c *call) error {
	for _, s := range []string{"a", "b"} {
		r, err := c.add(s, streams.ExpectAny, withID("1", 1))
		if err := wantResult(r, err, 1, 1, false); err != nil {
			return err
		}
	}
	return nil
}

func caseKeysBounded(c *call) error {
	for n := range 15 {
		if _, err := c.add("a", streams.ExpectAny, withID(strconv.Itoa(n), 1)); err != nil {
			return err
		}
	}
	for n := 5; n < 15; n++ {
		r, err := c.add("a", streams.ExpectAny, withID(strconv.Itoa(n), 1))
		if err := wantResult(r, err, uint64(n+1), uint64(n+1), true); err != nil {
			return err
		}
	}
	i, err := c.log.Info(c.ctx, "a")
	if err == nil && i.Keys != 10 {
		err = fmt.Errorf("%d keys", i.Keys)
	}
	r, err2 := c.add("a", streams.ExpectAny, withID("0", 1))
	return all(err, wantResult(r, err2, 16, 16, false))
}

func caseKeyRace(c *call) error {
	for round := range 20 {
		var wg sync.WaitGroup
		results := make([]streams.Result, 4)
		errs := make([]error, 4)
		for i := range results {
			wg.Go(func() {
				results[i], errs[i] = c.add("a", streams.ExpectAny, withID(strconv.Itoa(round), 1))
			})
		}
		wg.Wait()
		stored := 0
		for i, r := range results {
			if errs[i] != nil {
				return errs[i]
			}
			if !r.Duplicate {
				stored++
			}
			if r.First != uint64(round+1) {
				return fmt.Errorf("round %d stored version %d", round, r.First)
			}
		}
		if stored != 1 {
			return fmt.Errorf("round %d: %d stored", round, stored)
		}
	}
	return c.wantVersion("a", 20)
}
