package snapshot

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

// textPart is a Part that holds a text.
type textPart struct {
	name, text string
	loaded     []string
	calls      int
	fail       error
	panics     bool
	bounds     map[int][2]uint64
}

func (n *textPart) SectionName() string { return n.name }

func (n *textPart) SaveSection(saved func(int) (uint64, uint64)) ([]byte, error) {
	n.calls++
	if n.panics {
		panic("odd part")
	}
	n.bounds = map[int][2]uint64{}
	for i := range 3 {
		first, next := saved(i)
		n.bounds[i] = [2]uint64{first, next}
	}
	return []byte(n.text), n.fail
}

func (n *textPart) LoadSection(data []byte) error {
	if n.panics {
		panic("odd part")
	}
	n.loaded = append(n.loaded, string(data))
	return n.fail
}

func TestAttach(t *testing.T) {
	var p place
	boom := errors.New("boom")
	s := open(t, p.handle(t), one(), manual())
	a, b := &textPart{name: "a", text: "first"}, &textPart{name: "b"}
	must(t, s.Attach(a))
	must(t, s.Attach(b))
	fails(t, s.Attach(&textPart{name: "a"}), ErrSection)
	fails(t, s.Attach(&textPart{}), ErrSection)
	same(t, "nothing to load", len(a.loaded), 0)
	fill(t, s.Store(), 0, 10)
	save(t, s)
	same(t, "bounds", a.bounds, map[int][2]uint64{0: {0, 10}, 1: {}, 2: {}})
	save(t, s)
	same(t, "unchanged", s.Stats().Unchanged, 1)
	a.text = "second"
	save(t, s)
	same(t, "changed", s.Stats().Snapshots, 2)

	a.fail = boom
	err := s.Save(t.Context())
	fails(t, err, ErrSection, boom)
	if !strings.Contains(err.Error(), `"a"`) {
		t.Error(err)
	}
	a.fail, a.panics = nil, true
	fails(t, s.Save(t.Context()), ErrSection)
	a.panics = false
	balanced(t, s)
	crash(t, s)

	s = open(t, p.handle(t), one(), manual())
	fills := func() { fill(t, s.Store(), 10, 11) }
	fills()
	err = s.Save(t.Context())
	fails(t, err, ErrSection)
	if !strings.Contains(err.Error(), "a, b") {
		t.Error(err)
	}
	got, ok := s.Section("a")
	same(t, "before it is attached", string(got), "second")
	copy(got, "XXXXXX") // is the caller's
	_, none := s.Section("c")
	same(t, "found", []bool{ok, none}, []bool{true, false})
	fails(t, s.Attach(&textPart{name: "a", fail: boom}), ErrSection, boom)
	fails(t, s.Attach(&textPart{name: "a", panics: true}), ErrSection)
	a = &textPart{name: "a", text: "third"}
	must(t, s.Attach(a))
	same(t, "loaded", a.loaded, []string{"second"})
	_, ok = s.Section("a")
	same(t, "found", ok, false)
	fails(t, s.Save(t.Context()), ErrSection) // b is missing still
	same(t, "nothing was saved", p.newest(t).Ordinal, 2)
	u := unsavedOf(t, s.Close())
	same(t, "events", u.Events, 1)
	must(t, s.blobs.Close())

	o := manual()
	o.Forget = []string{"b", "of nobody"}
	s = open(t, p.handle(t), one(), o)
	must(t, s.Attach(a))
	b = &textPart{name: "b", text: "anew"}
	must(t, s.Attach(b))
	same(t, "forgotten", len(b.loaded), 0)
	save(t, s)
	m := p.newest(t)
	same(t, "sections", len(m.Sections), 2)
	data, _ := m.section("b")
	same(t, "anew", string(data), "anew")
}

// asking is a Part that asks for the section of another one, and attaches it.
type asking struct {
	textPart
	s     *Saver[trade]
	other *textPart
	found string
}

func (a *asking) LoadSection([]byte) error {
	data, _ := a.s.Section("other")
	a.found = string(data)
	if err := a.s.Attach(a); !errors.Is(err, ErrSection) { // itself, once more
		return errors.New("attached while it is attached")
	}
	return a.s.Attach(a.other)
}

// TestPartsMayUseTheSaver while they are attached.
func TestPartsMayUseTheSaver(t *testing.T) {
	var p place
	s := open(t, p.handle(t), one(), manual())
	must(t, s.Attach(&textPart{name: "first", text: "1"}))
	must(t, s.Attach(&textPart{name: "other", text: "2"}))
	s = reopen(t, &p, s, one())
	a := &asking{textPart: textPart{name: "first"}, s: s, other: &textPart{name: "other"}}
	must(t, s.Attach(a))
	same(t, "found", a.found, "2")
	same(t, "loaded", a.other.loaded, []string{"2"})
	fill(t, s.Store(), 0, 1)
	save(t, s)
}

// TestAttachLate: a part that comes when there are snapshots already is in those that follow.
func TestAttachLate(t *testing.T) {
	var p place
	s := open(t, p.handle(t), one(), manual())
	save(t, s)
	must(t, s.Attach(&textPart{name: "late", text: "x"}))
	save(t, s)
	same(t, "sections", len(p.newest(t).Sections), 1)
	same(t, "snapshots", s.Stats().Snapshots, 2)
}

// TestSectionsOfPostponedPartitions: a part is told what is saved, not what is there.
func TestSectionsOfPostponedPartitions(t *testing.T) {
	var p place
	o := manual()
	o.MaxPartitions = 1
	s := open(t, p.handle(t), core.Options[trade]{Partitions: 3, Capacity: 300}, o)
	n := &textPart{name: "n"}
	must(t, s.Attach(n))
	for i := range 3 {
		fillPartition(t, s.Store(), i, 0, 10*(i+1))
	}
	save(t, s)
	same(t, "bounds", n.bounds, map[int][2]uint64{0: {0, 10}, 1: {0, 0}, 2: {0, 0}})
	save(t, s)
	same(t, "bounds", n.bounds, map[int][2]uint64{0: {0, 10}, 1: {0, 20}, 2: {0, 0}})
}

// rollups of the tests: all values that AttachRollup is for.
type rollups struct {
	sums  *core.Rollup[trade, core.Summary]
	hist  *core.Rollup[trade, core.Histogram]
	perKy *core.Rollup[trade, map[string]*core.Summary]
	count *core.Rollup[trade, uint64]
}

func attachRollups(t *testing.T, s *Saver[trade]) (r rollups) {
	t.Helper()
	value := func(e *trade) float64 { return float64(e.N) / 7 }
	o := core.RollupOptions{Retain: 1e5 * time.Hour}
	var err error
	o.Name = "sums"
	r.sums, err = core.NewRollup(s.Store(), core.Summaries(value), o)
	must(t, err)
	must(t, AttachRollup(s, r.sums))
	o.Name = "percentiles"
	r.hist, err = core.NewRollup(s.Store(), core.Percentiles(value), o)
	must(t, err)
	must(t, AttachRollup(s, r.hist))
	o.Name = "per key"
	r.perKy, err = core.NewRollup(s.Store(), core.PerKey(func(e *trade) string { return e.Key }, core.Summaries(value)), o)
	must(t, err)
	must(t, AttachRollup(s, r.perKy))
	o.Name = "count"
	r.count, err = core.NewRollup(s.Store(), core.Counting[trade](), o)
	must(t, err)
	must(t, AttachRollup(s, r.count))
	return r
}

// answers are what rollups say about a range, as text.
func (r rollups) answers(t *testing.T, from, to time.Time) string {
	t.Helper()
	sums, err := r.sums.Query(from, to)
	must(t, err)
	hist, err := r.hist.Query(from, to)
	must(t, err)
	keys, err := r.perKy.Query(from, to)
	must(t, err)
	counted, err := r.count.Query(from, to)
	must(t, err)
	text := fmt.Sprintf("%d %.6f %.6f %.6f|", sums.Value.Count, sums.Value.Sum, sums.Value.Min, sums.Value.Max)
	binary, err := hist.Value.MarshalBinary()
	must(t, err)
	text += fmt.Sprintf("%x|", binary)
	for i := range 7 {
		if x := keys.Value[fmt.Sprintf("k%d", i)]; x != nil {
			text += fmt.Sprintf("%d %.6f|", x.Count, x.Sum)
		}
	}
	for _, c := range []core.Coverage{sums.Coverage, hist.Coverage, keys.Coverage, counted.Coverage} {
		if c != sums.Coverage {
			t.Fatalf("%+v and %+v", c, sums.Coverage)
		}
	}
	return text + fmt.Sprintf("%d %d %d", counted.Value, counted.Events+counted.Older, counted.Unfolded)
}

// TestParity44_RollupsThroughRestore: what rollups say of all time is the same before and behind restarts, although
// most events have left; and it is right.
func TestParity44_RollupsThroughRestore(t *testing.T) {
	for _, partitions := range []int{1, 3} {
		var p place
		o := keyed(partitions)
		o.Capacity = 100 * partitions
		s := open(t, p.handle(t), o, manual())
		r := attachRollups(t, s)
		total := 0
		for round := range 6 {
			fill(t, s.Store(), total, total+1000)
			total += 1000
			must(t, s.Store().Settle(t.Context()))
			before := r.answers(t, time.Time{}, time.Time{})
			if want := fmt.Sprintf("|%d %d 0", total, total); !strings.HasSuffix(before, want) {
				t.Fatalf("round %d: %s, want %s", round, before[strings.LastIndex(before, "|"):], want)
			}
			if round%2 == 0 {
				must(t, s.Close())
				must(t, s.blobs.Close())
			} else {
				save(t, s)
				crash(t, s)
			}
			s = open(t, p.handle(t), o, manual())
			r = attachRollups(t, s)
			same(t, "answers", r.answers(t, time.Time{}, time.Time{}), before)
		}
		// Cleared events leave rollups for good.
		must(t, s.Store().Clear())
		fill(t, s.Store(), 0, 5)
		must(t, s.Close())
		must(t, s.blobs.Close())
		s = open(t, p.handle(t), o, manual())
		r = attachRollups(t, s)
		if text := r.answers(t, time.Time{}, time.Time{}); !strings.HasSuffix(text, "|5 5 0") {
			t.Error(text)
		}
	}
}

// TestRollupsAndOtherPartitions: answers over the whole store survive regrouping.
func TestRollupsAndOtherPartitions(t *testing.T) {
	var p place
	o := keyed(4)
	o.Capacity = 400
	s := open(t, p.handle(t), o, manual())
	r := attachRollups(t, s)
	fill(t, s.Store(), 0, 5000)
	must(t, s.Store().Settle(t.Context()))
	before := r.answers(t, time.Time{}, time.Time{})
	o = keyed(2)
	s = reopen(t, &p, s, o)
	same(t, "regrouped", s.Report().Regrouped, true)
	r = attachRollups(t, s)
	same(t, "answers", r.answers(t, time.Time{}, time.Time{}), before)
}

// TestUnfoldedIsCountedOnce, however many partitions and restarts there are.
func TestUnfoldedIsCountedOnce(t *testing.T) {
	var p place
	s := open(t, p.handle(t), keyed(5), manual())
	r := attachRollups(t, s)
	must(t, r.count.Inherit(nil, 7))
	fill(t, s.Store(), 0, 100)
	for range 4 {
		s = reopen(t, &p, s, keyed(5))
		r = attachRollups(t, s)
		a, err := r.count.Query(time.Time{}, time.Time{})
		must(t, err)
		same(t, "answer", a.Coverage, core.Coverage{Events: 100, Unfolded: 7})
	}
}

// TestIdleRollupsTakeNoSnapshots: the section of a rollup is not the same bytes twice, and that is no change.
func TestIdleRollupsTakeNoSnapshots(t *testing.T) {
	var p place
	o := keyed(2)
	o.Capacity = 200
	s := open(t, p.handle(t), o, manual())
	attachRollups(t, s)
	fill(t, s.Store(), 0, 5000)
	for range 5 {
		save(t, s)
	}
	if x := s.Stats(); x.Snapshots != 1 || x.Unchanged != 4 {
		t.Errorf("%+v", x)
	}
}

// TestGobIsWhole looks into types of all kinds, also of such as contain themselves.
func TestGobIsWhole(t *testing.T) {
	type list struct {
		Next *list
		Sums map[string][]*core.Summary
		At   [3]time.Time
		Hist core.Histogram
		When *time.Time
		Four *[4]int
		Each map[string]*int
	}
	must(t, gobWhole(reflect.TypeFor[list](), nil))
	for _, bad := range []reflect.Type{
		reflect.TypeFor[past[*int]](), reflect.TypeFor[[]struct{ Name **string }](), reflect.TypeFor[struct{ List *[]int }](),
		reflect.TypeFor[map[string]any](), reflect.TypeFor[[]chan int](), reflect.TypeFor[map[struct{ a int }]int](), reflect.TypeFor[*func()](),
	} {
		if err := gobWhole(bad, nil); !errors.Is(err, ErrOption) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

func TestRollupsThatCannotTravel(t *testing.T) {
	var p place
	s, other := open(t, p.handle(t), one(), manual()), open(t, new(place).handle(t), one(), manual())
	foreign, err := core.NewRollup(other.Store(), core.Counting[trade](), core.RollupOptions{Name: "foreign", Retain: time.Hour})
	must(t, err)
	fails(t, AttachRollup(s, foreign), ErrSection, core.ErrArgument)
	odd, err := core.NewRollup(s.Store(), core.Monoid[trade, func()]{
		Zero: func() func() { return nil }, Add: func(*func(), *trade) {}, Merge: func(*func(), *func()) {},
	}, core.RollupOptions{Name: "functions", Retain: time.Hour})
	must(t, err)
	fails(t, AttachRollup(s, odd), ErrSection, ErrOption)
	type hidden struct {
		N int
		n int
	}
	half, err := core.NewRollup(s.Store(), core.PerKey(func(e *trade) string { return e.Key }, core.Monoid[trade, []hidden]{
		Zero: func() []hidden { return nil }, Add: func(h *[]hidden, e *trade) { *h = append(*h, hidden{e.N, e.N}) }, Merge: func(into, from *[]hidden) { *into = append(*into, *from...) },
	}), core.RollupOptions{Name: "half", Retain: time.Hour})
	must(t, err)
	err = AttachRollup(s, half)
	fails(t, err, ErrSection, ErrOption)
	if !strings.Contains(err.Error(), "field n of snapshot.hidden") {
		t.Error(err)
	}
	sums, err := core.NewRollup(s.Store(), core.Counting[trade](), core.RollupOptions{Name: "count", Retain: 1e5 * time.Hour})
	must(t, err)
	must(t, AttachRollup(s, sums))
	fails(t, AttachRollup(s, sums), ErrSection)
	fill(t, s.Store(), 0, 10)
	must(t, s.Close())
	must(t, s.blobs.Close())

	// The section is damaged in a way that no checksum tells, or it is of another type.
	for _, data := range [][]byte{nil, {1, 2, 3}, bytes.Repeat([]byte{255}, 100)} {
		again := open(t, p.handle(t), one(), manual())
		r, err := core.NewRollup(again.Store(), core.Counting[trade](), core.RollupOptions{Name: "count", Retain: time.Hour})
		must(t, err)
		again.parts.restored["rollup:count"] = data
		fails(t, AttachRollup(again, r), ErrSection, ErrCorrupt)
		must(t, again.blobs.Close())
	}
	again := open(t, p.handle(t), one(), manual())
	texts, err := core.NewRollup(again.Store(), core.Monoid[trade, string]{
		Zero: func() string { return "" }, Add: func(*string, *trade) {}, Merge: func(*string, *string) {},
	}, core.RollupOptions{Name: "count", Retain: time.Hour})
	must(t, err)
	fails(t, AttachRollup(again, texts), ErrSection)
}
