package benchmarks

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"time"

	"github.com/ephemera-go/ephemera/window"
)

// Signals is a full window, and a slice with the same signals for loops written by hand.
type Signals struct {
	Window *window.Window
	List   []window.Signal

	other, scratch []byte
}

// otherHeap is what else the process holds, as a service does. In the few MB of a small window alone, the collector would
// run all the time and decide every figure.
const otherHeap = 64 << 20

// NewSignals makes a window of n signals, all of one of 1,000 names in random order.
func NewSignals(n int) *Signals {
	var names [1000]string
	for k := range names {
		names[k] = fmt.Sprintf("s%03d.done", k)
		if k < 100 {
			names[k] = fmt.Sprintf("ord%02d.done", k)
		}
	}
	w := newWindow(window.Options{Capacity: n, MaxAge: time.Hour})
	r := rand.New(rand.NewPCG(1, 2))
	for range n {
		must(w.Raise(names[r.IntN(len(names))], "key"))
	}
	s := &Signals{Window: w, List: must(w.Sense("")), other: make([]byte, otherHeap)}
	s.warm()
	return s
}

// warm uses up so much memory that later allocations get what was used before, and no new pages of the system.
func (s *Signals) warm() {
	const chunk = 1 << 20
	for range 3 * otherHeap / chunk {
		s.scratch = make([]byte, chunk)
		for i := 0; i < chunk; i += 1 << 12 {
			s.scratch[i] = 1
		}
	}
	s.scratch = nil
}

// newWindow panics on an error, which only wrong options can cause.
func newWindow(o window.Options) *window.Window { return must(window.New(context.Background(), o)) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(fmt.Sprintf("benchmarks: %v", err))
	}
	return v
}

// A Share is a prefix that so many of the names in Signals have, with the pattern that says the same.
type Share struct{ Name, Prefix, Pattern string }

// Shares returns those that are measured.
func Shares() []Share {
	return []Share{{"0.1%", "ord07.", "ord07.*"}, {"10%", "ord", "ord*"}, {"100%", "", "*"}}
}

// Sense asks the window.
func (s *Signals) Sense(x Share) []window.Signal { return must(s.Window.Sense(x.Pattern)) }

// HasPrefix is the loop that everybody would write.
func (s *Signals) HasPrefix(x Share) (got []window.Signal) {
	for i := range s.List {
		if strings.HasPrefix(s.List[i].Name, x.Prefix) {
			got = append(got, s.List[i])
		}
	}
	return got
}

// HasPrefixSized is the same loop if it is known beforehand how many signals it finds.
func (s *Signals) HasPrefixSized(x Share, n int) []window.Signal {
	got := make([]window.Signal, 0, n)
	for i := range s.List {
		if strings.HasPrefix(s.List[i].Name, x.Prefix) {
			got = append(got, s.List[i])
		}
	}
	return got
}

// PathMatch is the loop for a pattern.
func (s *Signals) PathMatch(x Share) (got []window.Signal) {
	for i := range s.List {
		if must(path.Match(x.Pattern, s.List[i].Name)) {
			got = append(got, s.List[i])
		}
	}
	return got
}

// Close ends the window.
func (s *Signals) Close() {
	_ = s.Window.Close() // in memory only: nothing can fail
	s.other = nil
}
