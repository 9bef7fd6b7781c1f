package window

import (
	"fmt"
	"slices"

	"github.com/ephemera-go/ephemera/sinks"
)

// DefaultMaxDepth is the default of Limits.MaxDepth.
const DefaultMaxDepth = 10

// Limits bounds causal paths, so that signals that cause signals come to an end. The zero Limits allow a path of
// DefaultMaxDepth names without a repetition.
type Limits struct {
	MaxDepth    int      // names in a path, at most [sinks.MaxPathNames]; 0 means DefaultMaxDepth
	AllowCycles bool     // a name may be among its own causes
	Terminal    []string // signals that cause nothing
	Leaf        []string // signals that get no path, though theirs is judged

	OnBlocked func(name string, path []string, why error) // told what was refused
}

// Cause returns a signal of the given name that was caused by another one: with its operation and key, and with a path
// that ends in it. Errors: ErrTerminal, ErrCycle, ErrDepth; ErrOption for a MaxDepth out of range.
func (l Limits) Cause(cause *Signal, name string) (Signal, error) {
	if err := l.judge(cause, name); err != nil {
		if l.OnBlocked != nil {
			l.OnBlocked(name, cause.Path, err)
		}
		return Signal{}, err
	}
	s := Signal{Name: name, Key: cause.Key, Operation: cause.Operation}
	if !slices.Contains(l.Leaf, name) {
		s.Path = append(slices.Clone(cause.Path), cause.Name)
	}
	return s, nil
}

func (l Limits) judge(cause *Signal, name string) error {
	most := l.MaxDepth
	if most == 0 {
		most = DefaultMaxDepth
	}
	switch {
	case most < 0 || most > sinks.MaxPathNames:
		return fmt.Errorf("%w: MaxDepth %d", ErrOption, most)
	case slices.Contains(l.Terminal, cause.Name):
		return fmt.Errorf("%w: %s by %s", ErrTerminal, name, cause.Name)
	case !l.AllowCycles && cause.WouldCycle(name):
		return fmt.Errorf("%w: %s by %s", ErrCycle, name, cause.Name)
	case cause.Depth()+1 > most:
		return fmt.Errorf("%w: %s at depth %d", ErrDepth, name, cause.Depth()+1)
	}
	return nil
}
