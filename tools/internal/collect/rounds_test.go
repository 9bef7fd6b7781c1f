package collect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// machine is a stand-in for processes and time: every process takes a second.
type machine struct {
	rounds
	ran    []string // what began, in order
	kept   []string
	count  map[string]int // rounds kept of each benchmark
	looks  int
	fails  func(side Side, name string, n int) error
	needs  map[string]int // how many rounds decide a benchmark
	clock  time.Duration
	output []string
}

func newMachine(needs map[string]int) *machine {
	m := &machine{count: map[string]int{}, needs: needs}
	m.limits = Limits{First: 10, Most: 80, Time: time.Hour}
	m.run = func(_ context.Context, side Side, name string) (result, error) {
		m.ran = append(m.ran, string(side)+" "+name)
		m.clock += time.Second
		if m.fails != nil {
			if err := m.fails(side, name, len(m.ran)); err != nil {
				return result{}, err
			}
		}
		return result{name: name}, nil
	}
	m.keep = func(side Side, round, slot int, r result) error {
		m.kept = append(m.kept, fmt.Sprintf("%s %s %d.%d", side, r.name, round, slot))
		if side == Head && slot == 1 {
			m.count[r.name] = round
		}
		return nil
	}
	m.undecided = func() ([]string, error) {
		m.looks++
		var open []string
		for name, n := range m.needs {
			if m.count[name] < n {
				open = append(open, name)
			}
		}
		return open, nil
	}
	m.elapsed = func() time.Duration { return m.clock }
	m.progress = func(line string) { m.output = append(m.output, line) }
	return m
}

func TestOrderOfProcesses(t *testing.T) {
	m := newMachine(nil)
	m.limits.First = 2
	if err := m.measure(t.Context(), []Case{{Name: "A", Base: true}, {Name: "R", Twice: true}, {Name: "Z"}}); err != nil {
		t.Fatal(err)
	}
	want := "base A,head A,head A,base A,head R,head R,head Z,head A,base A,base A,head A,head R,head R,head Z"
	if got := strings.Join(m.ran, ","); got != want {
		t.Errorf("ran  %s\nwant %s", got, want)
	}
	want = "base A 1.1,head A 1.1,head A 1.2,base A 1.2,head R 1.1,head R 1.2,head Z 1.1,head A 2.1,base A 2.1,base A 2.2,head A 2.2,head R 2.1,head R 2.2,head Z 2.1"
	if got := strings.Join(m.kept, ","); got != want {
		t.Errorf("kept %s\nwant %s", got, want)
	}
}

func TestOnlyTheUndecidedGetMore(t *testing.T) {
	m := newMachine(map[string]int{"A": 5, "B": 20, "C": 35, "D": 1000})
	m.limits.Most = 50
	if err := m.measure(t.Context(), []Case{{Name: "A"}, {Name: "B"}, {Name: "C"}, {Name: "D"}}); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(m.count); got != "map[A:10 B:20 C:40 D:50]" || m.looks != 4 || len(m.failures) > 0 {
		t.Errorf("rounds %s, %d looks, failures %v", got, m.looks, m.failures)
	}
	if last := m.output[len(m.output)-1]; last != "the limit of 50 rounds is reached" {
		t.Errorf("last line %q", last)
	}
}

func TestDecidedEndsTheRun(t *testing.T) {
	m := newMachine(nil)
	if err := m.measure(t.Context(), []Case{{Name: "A"}}); err != nil || m.count["A"] != 10 || m.looks != 1 {
		t.Errorf("%v, rounds %v, %d looks", err, m.count, m.looks)
	}
	m = newMachine(nil)
	if err := m.measure(t.Context(), nil); err != nil || len(m.ran) > 0 || m.looks > 0 {
		t.Errorf("no case: %v, ran %v", err, m.ran)
	}
}

func TestTimeLimit(t *testing.T) {
	m := newMachine(map[string]int{"A": 1000})
	m.limits.Time = 25 * time.Second // in round 13
	if err := m.measure(t.Context(), []Case{{Name: "A", Twice: true}}); err != nil || m.count["A"] != 13 || len(m.failures) > 0 {
		t.Errorf("%v, rounds %v, failures %v", err, m.count, m.failures)
	}
	m = newMachine(nil)
	m.limits.Time = 3 * time.Second // A and B get a turn
	err := m.measure(t.Context(), []Case{{Name: "A", Twice: true}, {Name: "B", Twice: true}, {Name: "C", Twice: true}})
	if err != nil || len(m.failures) != 1 || m.failures[0].Name != "C" || !errors.Is(m.failures[0], ErrTime) {
		t.Errorf("%v, failures %v", err, m.failures)
	}
}

func TestFailureLeavesTheOthers(t *testing.T) {
	m := newMachine(map[string]int{"A": 20, "B": 20})
	bad := fmt.Errorf("run: %w", ErrProcess)
	m.fails = func(side Side, name string, n int) error {
		if side == Base && name == "A" && n > 16 { // the last process of A's third round
			return bad
		}
		return nil
	}
	if err := m.measure(t.Context(), []Case{{Name: "A", Base: true}, {Name: "B"}}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(m.failures, []Failure{{Name: "A", Err: bad}}) || m.count["B"] != 20 || m.count["A"] != 3 {
		t.Errorf("failures %v, rounds %v", m.failures, m.count)
	}
	for _, k := range m.kept {
		if strings.Contains(k, "A 4.") {
			t.Errorf("half a round was kept: %v", m.kept)
		}
	}
}

func TestErrorsEndTheRun(t *testing.T) {
	broken := errors.New("broken")
	cases := []Case{{Name: "A", Twice: true}, {Name: "B", Twice: true}}
	m := newMachine(nil)
	m.fails = func(Side, string, int) error { return broken }
	if err := m.measure(t.Context(), cases); !errors.Is(err, broken) || len(m.ran) != 1 {
		t.Errorf("run: %v, ran %v", err, m.ran)
	}
	m = newMachine(nil)
	m.keep = func(Side, int, int, result) error { return broken }
	if err := m.measure(t.Context(), cases); !errors.Is(err, broken) || len(m.ran) != 2 {
		t.Errorf("keep: %v, ran %v", err, m.ran)
	}
	m = newMachine(nil)
	m.undecided = func() ([]string, error) { return nil, broken }
	if err := m.measure(t.Context(), cases); !errors.Is(err, broken) {
		t.Errorf("judge: %v", err)
	}
	m = newMachine(nil)
	ctx, cancel := context.WithCancel(t.Context())
	m.fails = func(_ Side, _ string, n int) error {
		if n == 3 {
			cancel()
		}
		return nil
	}
	if err := m.measure(ctx, cases); !errors.Is(err, context.Canceled) || len(m.ran) != 3 || len(m.failures) > 0 {
		t.Errorf("cancel: %v, ran %v, failures %v", err, m.ran, m.failures)
	}
}
