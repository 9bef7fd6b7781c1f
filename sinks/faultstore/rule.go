package faultstore

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

// ErrInjected marks every error that a plan made.
var ErrInjected = errors.New("faultstore: injected")

var kinds = map[string]error{
	"notfound":    sinks.ErrNotFound,
	"exists":      sinks.ErrExists,
	"conflict":    sinks.ErrConflict,
	"corrupt":     sinks.ErrCorrupt,
	"closed":      sinks.ErrClosed,
	"invalid":     sinks.ErrInvalid,
	"leased":      sinks.ErrLeased,
	"fenced":      sinks.ErrFenced,
	"readonly":    sinks.ErrReadOnly,
	"replaced":    sinks.ErrReplaced,
	"denied":      sinks.ErrDenied,
	"toonew":      sinks.ErrTooNew,
	"foreign":     sinks.ErrForeign,
	"unknown":     sinks.ErrUnknownOutcome,
	"unsupported": errors.ErrUnsupported,
	"full":        fmt.Errorf("%w: %w", sinks.ErrFull, syscall.ENOSPC),
	"io":          syscall.EIO,
}

// units says what a partial action of an operation counts.
var units = map[string]string{"put": "bytes", "open": "bytes", "append": "signals"}

var operations = []string{
	"put", "open", "list", "delete", "append", "read", "newest", "trim", "stat", "prune",
	"verify", "acquire", "renew", "release", "close", every,
}

const every = "*"

type action string

const (
	fail      action = "error"
	lostReply action = "lost-reply"
	partial   action = "partial"
	delay     action = "delay"
	stall     action = "stall"
)

type rule struct {
	op       string
	from, to uint64 // calls; to is the greatest number when there is no end
	action   action
	amount   uint64 // of partial
	delay    time.Duration
	kind     string // of error and partial; may be empty
}

func (r *rule) err() error {
	if r.action == lostReply {
		return fmt.Errorf("%w: %w", ErrInjected, sinks.ErrUnknownOutcome)
	}
	if r.kind == "" {
		return ErrInjected
	}
	return fmt.Errorf("%w: %w", ErrInjected, kinds[r.kind])
}

const noEnd = ^uint64(0)

// String returns the rule in the form that Parse reads.
func (r *rule) String() string {
	calls := strconv.FormatUint(r.from, 10)
	switch {
	case r.to == noEnd && r.from == 1:
		calls = every
	case r.to == noEnd:
		calls += "+"
	case r.to > r.from:
		calls += "-" + strconv.FormatUint(r.to, 10)
	}
	text := r.op + ":" + calls + " " + string(r.action)
	switch r.action {
	case partial:
		text += " " + strconv.FormatUint(r.amount, 10) + " " + units[r.op]
	case delay:
		text += " " + r.delay.String()
	}
	if r.kind != "" {
		text += " " + r.kind
	}
	return text
}

func parseRule(text string) (*rule, error) {
	words := strings.Fields(text)
	op, calls, _ := strings.Cut(words[0], ":")
	if !slices.Contains(operations, op) {
		return nil, fmt.Errorf("unknown operation %q; known are %s", op, strings.Join(operations, ", "))
	}
	if len(words) < 2 {
		return nil, errors.New("an action is missing")
	}
	r := &rule{op: op, action: action(words[1])}
	err := r.parseCalls(calls)
	if err == nil {
		err = r.parseAction(words[2:])
	}
	return r, err
}

func (r *rule) parseCalls(text string) error {
	low, high, isRange := strings.Cut(text, "-")
	var errLow, errHigh error
	switch begin, open := strings.CutSuffix(text, "+"); {
	case text == every:
		r.from, r.to = 1, noEnd
	case open:
		r.from, errLow = strconv.ParseUint(begin, 10, 64)
		r.to = noEnd
	default:
		r.from, errLow = strconv.ParseUint(low, 10, 64)
		r.to = r.from
		if isRange {
			r.to, errHigh = strconv.ParseUint(high, 10, 64)
		}
	}
	if errLow != nil || errHigh != nil || r.from < 1 || r.to < r.from {
		return fmt.Errorf("calls %q; wanted 3, 3-5, 3+ or *", text)
	}
	return nil
}

func (r *rule) parseAction(args []string) (err error) {
	switch r.action {
	case fail:
	case partial:
		unit := units[r.op]
		if unit == "" {
			return fmt.Errorf("%s cannot be partial", r.op)
		}
		if len(args) < 2 || args[1] != unit {
			return fmt.Errorf("wanted partial N %s", unit)
		}
		if r.amount, err = strconv.ParseUint(args[0], 10, 63); err != nil {
			return fmt.Errorf("wanted partial N %s", unit)
		}
		args = args[2:]
	case delay:
		if len(args) != 1 {
			return errors.New("wanted delay and a duration")
		}
		if r.delay, err = time.ParseDuration(args[0]); err != nil || r.delay < 0 {
			return fmt.Errorf("delay %q; wanted a duration such as 20ms", args[0])
		}
		return nil
	case stall, lostReply:
		if len(args) > 0 {
			return fmt.Errorf("%s takes nothing more", r.action)
		}
		return nil
	default:
		return fmt.Errorf("unknown action %q; known are error, lost-reply, partial, delay, stall", r.action)
	}
	if len(args) > 1 {
		return fmt.Errorf("too many words: %q", strings.Join(args, " "))
	}
	if len(args) == 1 {
		r.kind = args[0]
		if kinds[r.kind] == nil {
			return fmt.Errorf("unknown kind %q; known are %s", r.kind, strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))
		}
	}
	return nil
}
