package window

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// Every combination of conditions gives what a loop over everything gives, with and without indexes, in the core store
// and aside.
func TestQueriesAgainstALoop(t *testing.T) {
	for seed := range uint64(pick(12, 3)) {
		r := rand.New(rand.NewPCG(seed, 1))
		c := newClock()
		w := open(t, Options{Clock: c.now, Capacity: 3000, MaxAge: time.Hour})
		for i := range 5000 {
			s := Signal{Name: fmt.Sprintf("n%d.x%d", r.IntN(3), r.IntN(100)), Key: fmt.Sprint(r.IntN(3)), Operation: r.Uint64N(3)}
			if r.IntN(10) == 0 {
				s.Time = c.now().Add(-time.Duration(r.IntN(int(2 * time.Hour))))
			}
			if _, err := w.RaiseSignal(s); err != nil {
				t.Fatal(err)
			}
			if c.advance(time.Second); i == 3000 && seed%2 == 0 {
				if _, err := w.Clear("n1.x5*"); err != nil {
					t.Fatal(err)
				}
			}
		}
		all := sense(t, w, "")
		if len(all) == 0 {
			t.Fatal("nothing to ask")
		}
		for range pick(200, 60) {
			askAtRandom(t, w, all, c.now(), r)
		}
	}
}

func askAtRandom(t *testing.T, w *Window, all []Signal, now time.Time, r *rand.Rand) {
	t.Helper()
	patterns := []string{"", "*", "n1.*", "n2.x7", "n?.x1?", "*.x3,n0.x4*", "none", "n1.x1,n1.x2"}
	pattern := patterns[r.IntN(len(patterns))]
	q := w.Find(pattern)
	globs, _ := parse(pattern)
	keep := []func(*Signal) bool{func(s *Signal) bool {
		return globs == nil || slices.ContainsFunc(globs, func(g glob) bool { return g.match(s.Name) })
	}}
	if r.IntN(10) == 0 {
		name := fmt.Sprintf("n1.x%d", r.IntN(120))
		q = w.FindName(name)
		keep[0] = func(s *Signal) bool { return s.Name == name }
	}
	add := func(one Query, f func(*Signal) bool) {
		if r.IntN(4) == 0 {
			q = one
			keep = append(keep, f)
		}
	}
	since := now.Add(-time.Duration(r.IntN(int(2 * time.Hour))))
	add(q.Key("1"), func(s *Signal) bool { return s.Key == "1" })
	add(q.Operation(2), func(s *Signal) bool { return s.Operation == 2 })
	add(q.Since(since), func(s *Signal) bool { return !s.Time.Before(since) })
	add(q.Until(since), func(s *Signal) bool { return !s.Time.After(since) })
	add(q.Within(20*time.Minute), func(s *Signal) bool { return !s.Time.Before(now.Add(-20 * time.Minute)) })
	after := all[r.IntN(len(all))].Sequence
	add(q.After(after), func(s *Signal) bool { return s.Sequence > after })
	odd := func(s *Signal) bool { return s.Sequence%2 == 1 }
	add(q.Where(odd), odd)
	var want []Signal
	for i := range all {
		if !slices.ContainsFunc(keep, func(f func(*Signal) bool) bool { return !f(&all[i]) }) {
			want = append(want, all[i])
		}
	}
	if r.IntN(2) == 0 {
		n := r.IntN(1500)
		q = q.Newest(n)
		want = want[max(0, len(want)-n):]
	}
	if len(want) == 0 {
		want = nil
	}
	got, err := q.Signals()
	wantError(t, pattern, err, nil)
	equal(t, pattern, got, want)
	equal(t, "All", slices.Collect(q.All()), want)
	n, _ := q.Count()
	equal(t, "Count", n, len(want))
	some, _ := q.Any()
	equal(t, "Any", some, len(want) > 0)
	first, ok, _ := q.First()
	last, _, _ := q.Last()
	sum, _ := q.Summarize()
	if len(want) == 0 {
		equal(t, "nothing", []any{ok, sum}, []any{false, Summary{}})
		return
	}
	end := want[len(want)-1]
	equal(t, "ends", []Signal{first, last}, []Signal{want[0], end})
	equal(t, "Summarize", sum, Summary{len(want), want[0], end, end.Time.Sub(want[0].Time)})
}

// A query is a question that can be asked again: each answer is of its own moment.
func TestQueriesAreOfTheMomentOfTheAnswer(t *testing.T) {
	c := newClock()
	w := open(t, Options{Clock: c.now})
	name, recent := w.FindName("later.*"), w.Find("").Within(time.Minute)
	count := func(q Query) int {
		n, err := q.Count()
		wantError(t, "Count", err, nil)
		return n
	}
	equal(t, "before", []int{count(name), count(recent)}, []int{0, 0})
	raise(t, w, "later.*", "later.x")
	equal(t, "raised", []int{count(name), count(recent)}, []int{1, 2})
	c.advance(time.Minute + 1)
	equal(t, "a minute later", []int{count(name), count(recent)}, []int{1, 0})
	raise(t, w, "x")
	equal(t, "the shortest span counts", []int{count(recent), count(w.Find("").Within(0).Within(time.Hour))}, []int{1, 1})
}

func TestRate(t *testing.T) {
	c := newClock()
	w := open(t, Options{Clock: c.now})
	for range 30 {
		raise(t, w, "order.a", "b")
		c.advance(time.Second)
	}
	rate, err := w.Rate("order.*", 10*time.Second)
	if err != nil || rate != 1 {
		t.Errorf("%v, %v", rate, err)
	}
	first, ok, err := w.First("b")
	if err != nil || !ok || first.Sequence != 2 {
		t.Errorf("%+v %v %v", first, ok, err)
	}
}

// A name that becomes known after a pattern was first used belongs to it.
func TestNewNamesJoinPatterns(t *testing.T) {
	w := open(t, Options{Capacity: 5000})
	for i := range 3000 {
		raise(t, w, fmt.Sprint("n.", i))
		if n, err := w.Find("n.*").Count(); n != i+1 || err != nil {
			t.Fatalf("%d of %d, %v", n, i+1, err)
		}
	}
}

func TestNamesAreBounded(t *testing.T) {
	w := open(t, Options{MaxNames: 2})
	raise(t, w, "a", "b", "a")
	for range 3 {
		_, err := w.Raise("c", "")
		wantError(t, "Raise", err, ErrNamesFull)
		_, err = w.Intern("d")
		wantError(t, "Name", err, ErrNamesFull)
	}
	n, err := w.RaiseBatch([]Signal{{Name: "a"}, {Name: "e"}})
	wantError(t, "RaiseBatch", err, ErrNamesFull)
	if s := balanced(t, w); n != 0 || s.Refused.NamesFull != 8 || s.Names != 2 || s.Raised != 3 {
		t.Errorf("%d, %+v", n, s)
	}
	if a, _ := w.Intern("a"); a.String() != "a" || (Name{}).String() != "" {
		t.Error("String")
	}
}

// Patterns are cached, but not without end.
func TestSelectorsAreBounded(t *testing.T) {
	w := open(t, Options{})
	raise(t, w, "a7")
	for i := range 3 * maxSelectors {
		n, err := w.Find(fmt.Sprint("a", i)).Count()
		if err != nil || (n == 1) != (i == 7) {
			t.Fatalf("a%d: %d, %v", i, n, err)
		}
	}
	if len(w.selectors.list) > maxSelectors {
		t.Errorf("%d patterns kept", len(w.selectors.list))
	}
}

func TestResizeWindow(t *testing.T) {
	store := memory(t)
	o := manual(store)
	o.Capacity, o.Overload = 1000, DropNewest
	w := open(t, o)
	raiseMany(t, w, 1000)
	for _, n := range []int{10, 500, 1, 3000} {
		if err := w.SetCapacity(n); err != nil {
			t.Fatal(err)
		}
		if got := w.Len(); got > n || w.Capacity() != n {
			t.Errorf("%d visible of %d", got, n)
		}
		balanced(t, w)
	}
	equal(t, "what left stays away", w.Len(), 1)
	raiseMany(t, w, 2000) // MaxPending follows the capacity
	_, err := w.Raise("x", "")
	wantError(t, "Raise", err, ErrOverloaded)
	flush(t, w)
	equal(t, "rows", len(rows(t, store)), 3000)
	equal(t, "visible", w.Len(), 2001)
	if n := w.store.Capacity(); n > 3000+reserve(3000) {
		t.Errorf("the core store keeps %d", n)
	}
}
