package streamtest

import (
	"fmt"
	"slices"

	"github.com/ephemera-go/ephemera/streams"
)

func otherCases() []testCase {
	return []testCase{
		{name: "list", rule: "a list has the streams of a pattern by name, in pages", run: caseList},
		{name: "delete", rule: "a deleted stream is empty and does not exist, and its versions go on", run: caseDelete},
		{name: "delete-keys", rule: "a deletion forgets idempotency keys", run: caseDeleteKeys},
		{
			name: "max-streams", rule: "more streams than MaxStreams are refused, and a deletion makes room", options: streams.Options{MaxStreams: 2},
			run: caseMaxStreams,
		},
		{name: "aggregate", rule: "an aggregate equals a plain sum over what is there, in all and by group", run: aggregate},
		{name: "closed", rule: "a closed log refuses everything, with one *Error", run: caseClosed},
		{name: "canceled", rule: "a call with a context that is done does nothing and returns its error, in one *Error", run: caseCanceled},
		{name: "errors", rule: "an error is wrapped in one *Error, which names operation and stream", run: caseErrors},
	}
}

func aggregate(c *call) error {
	const n = 5000 // several segments
	groups := []string{"g1", "g2", ""}
	sum := map[string]float64{}
	var batch []streams.Event
	for i := range n {
		g := groups[i%3]
		e := streams.Event{Data: []byte(fmt.Sprintf(`{"v":%d,"g":%q}`, i%100, g))}
		if g == "" {
			e.Data = []byte(fmt.Sprintf(`{"v":%d}`, i%100))
		}
		if i%1000 == 7 {
			e.Data = []byte(`{"v":"x","g":"g1"}`)
		} else {
			sum[g] += float64(i % 100)
		}
		if batch = append(batch, e); len(batch) == 500 {
			if _, err := c.add("a", streams.ExpectAny, batch...); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	for range 2 {
		s, err := c.log.Aggregate(c.ctx, streams.Aggregate{Stream: "a", Field: "v", By: "g"})
		if err != nil {
			return err
		}
		if s.Events != n || s.NotNumbers != 5 || s.Numbers.Count != n-5 || s.Numbers.Sum != sum["g1"]+sum["g2"]+sum[""] ||
			s.Numbers.Min != 0 || s.Numbers.Max != 99 || s.Percentile[50] < 48 || s.Percentile[50] > 51 {
			return fmt.Errorf("summary %+v", s)
		}
		for g, want := range sum {
			if s.Groups[g].Numbers.Sum != want {
				return fmt.Errorf("group %q: %+v, want sum %v", g, s.Groups[g], want)
			}
		}
	}
	s, err := c.log.Aggregate(c.ctx, streams.Aggregate{Stream: "none", Field: "v"})
	if err == nil && (s.Events != 0 || s.Percentile != nil) {
		err = fmt.Errorf("a stream that does not exist: %+v", s)
	}
	return err
}

func caseList(c *call) error {
	for i, n := range []string{"b/2", "a", "b/10", "b/1"} {
		if err := c.fill(n, i+1); err != nil {
			return err
		}
	}
	for _, x := range []struct {
		pattern, after string
		limit          int
		want           []string
	}{
		{"", "", 0, []string{"a", "b/1", "b/10", "b/2"}},
		{"b/*", "", 0, []string{"b/1", "b/10", "b/2"}},
		{"b/?", "", 0, []string{"b/1", "b/2"}},
		{"b/*,a", "b/1", 1, []string{"b/10"}},
		{"x", "", 0, nil},
	} {
		list, err := c.log.List(c.ctx, x.pattern, x.after, x.limit)
		if err != nil {
			return err
		}
		var got []string
		for _, i := range list {
			got = append(got, i.Stream)
		}
		if !slices.Equal(got, x.want) {
			return fmt.Errorf("list %q after %q: %v, want %v", x.pattern, x.after, got, x.want)
		}
	}
	return nil
}

func caseDelete(c *call) error {
	if err := all(c.fill("a", 3), c.log.Delete(c.ctx, "a"), c.log.Delete(c.ctx, "a"), c.log.Delete(c.ctx, "never")); err != nil {
		return err
	}
	i, err := c.log.Info(c.ctx, "a")
	if err != nil || i.Exists || i.Events != 0 || i.Version != 3 || i.Oldest != 4 {
		return fmt.Errorf("info %+v, %w", i, err)
	}
	p, err := c.wantVersions(streams.Read{Stream: "a", From: 2})
	if err != nil || p.Gap == nil || *p.Gap != (streams.Gap{Stream: "a", From: 2, To: 3, Cause: streams.CauseDeleted}) {
		return fmt.Errorf("page %+v, %w", p, err)
	}
	_, err = c.add("a", streams.ExpectExists, ev(4))
	if err := wantError("Exists", err, streams.ErrConflict); err != nil {
		return err
	}
	r, err := c.add("a", streams.ExpectNoStream, ev(4))
	if err := wantResult(r, err, 4, 4, false); err != nil {
		return err
	}
	p, err = c.wantVersions(streams.Read{Stream: "a", From: 2}, 4)
	if err != nil || p.Gap == nil || *p.Gap != (streams.Gap{Stream: "a", From: 2, To: 3, Cause: streams.CauseDeleted}) {
		return fmt.Errorf("page %+v of the stream that began again, %w", p, err)
	}
	return nil
}

func caseDeleteKeys(c *call) error {
	if _, err := c.add("a", streams.ExpectAny, withID("1", 1)); err != nil {
		return err
	}
	if err := c.log.Delete(c.ctx, "a"); err != nil {
		return err
	}
	r, err := c.add("a", streams.ExpectAny, withID("1", 5))
	return wantResult(r, err, 2, 2, false)
}

func caseMaxStreams(c *call) error {
	if err := all(c.fill("a", 1), c.fill("b", 1)); err != nil {
		return err
	}
	_, err := c.add("c", streams.ExpectAny, ev(1))
	return all(wantError("a third stream", err, streams.ErrTooManyStreams), c.fill("a", 1), c.log.Delete(c.ctx, "b"), c.fill("c", 1))
}
