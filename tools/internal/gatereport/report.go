// Package gatereport writes verdicts as plain text, JSON and markdown.
package gatereport

import (
	"fmt"
	"io"
	"strings"

	"github.com/ephemera-go/ephemera/tools/internal/gate"
	"github.com/ephemera-go/ephemera/tools/internal/samples"
)

// Report is what a run of the gate found.
type Report struct {
	Verdicts []gate.Verdict
	// Exit is the exit status that goes with the verdicts.
	Exit int
	// Machines are those that measured.
	Machines []samples.Origin
}

// states are listed in the order in which a reader wants to know them.
var states = []gate.State{gate.Over, gate.Cannot, gate.In, gate.OtherMachine, gate.New}

func (r Report) count(s gate.State) int {
	n := 0
	for _, v := range r.Verdicts {
		if v.State == s {
			n++
		}
	}
	return n
}

// Summary returns one plain line with the number of verdicts of each state and what follows from them.
func (r Report) Summary() string {
	var counts []string
	for _, s := range states {
		if n := r.count(s); n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, s.Label()))
		}
	}
	if len(counts) == 0 {
		counts = []string{"no verdict"}
	}
	return fmt.Sprintf("%s: %s", r.outcome(), strings.Join(counts, ", "))
}

func (r Report) outcome() string {
	switch {
	case r.Exit == gate.ExitOver:
		return gate.Over.Label()
	case r.Exit != gate.ExitIn:
		return gate.Cannot.Label()
	case r.count(gate.In) == 0:
		return "nothing judged"
	case r.count(gate.Cannot) > 0:
		return "in budget as far as noise allows"
	}
	return gate.In.Label()
}

// Text writes one line for each verdict and one for the sum of them.
func Text(w io.Writer, r Report) error {
	var out strings.Builder
	for _, v := range r.Verdicts {
		fmt.Fprintln(&out, v)
	}
	fmt.Fprintln(&out, r.Summary())
	_, err := io.WriteString(w, out.String())
	return err
}
