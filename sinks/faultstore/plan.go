package faultstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// A Plan says which calls fail and how. Several stores may share one; then they are counted together. The zero value
// lets everything pass and counts. It is safe for concurrent use and must not be copied.
type Plan struct {
	mu       sync.Mutex
	rules    []*rule
	calls    map[string]uint64
	injected uint64
	cleared  chan struct{}
	waiting  []*waiter
}

// waiter is somebody who waits for a call.
type waiter struct {
	op      string
	call    uint64
	reached chan struct{}
}

// Parse reads the rules that the package comment describes; all that is wrong is reported together.
func Parse(rules string) (*Plan, error) {
	p := &Plan{}
	var problems []error
	for text := range strings.FieldsFuncSeq(rules, func(r rune) bool { return r == ';' || r == '\n' }) {
		if strings.TrimSpace(text) == "" {
			continue
		}
		r, err := parseRule(text)
		if err != nil {
			problems = append(problems, fmt.Errorf("faultstore: rule %q: %w", strings.TrimSpace(text), err))
			continue
		}
		p.rules = append(p.rules, r)
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return p, nil
}

// String returns the rules as Parse reads them.
func (p *Plan) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	texts := make([]string, len(p.rules))
	for i, r := range p.rules {
		texts[i] = r.String()
	}
	return strings.Join(texts, "; ")
}

// Calls returns how many calls of an operation have begun; "*" counts all.
func (p *Plan) Calls(op string) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[op]
}

// Injected returns how many calls the plan has made fail.
func (p *Plan) Injected() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.injected
}

// Reached returns a channel that is closed when that call of an operation has begun, for instance to stall.
func (p *Plan) Reached(op string, call uint64) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := &waiter{op: op, call: call, reached: make(chan struct{})}
	p.waiting = append(p.waiting, w)
	p.wake()
	return w.reached
}

// wake tells those whose call has begun.
func (p *Plan) wake() {
	left := p.waiting[:0]
	for _, w := range p.waiting {
		if p.calls[w.op] >= w.call {
			close(w.reached)
		} else {
			left = append(left, w)
		}
	}
	p.waiting = left
}

// Clear removes all rules; calls that stall or wait go on. Counting goes on too.
func (p *Plan) Clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = nil
	if p.cleared != nil {
		close(p.cleared)
		p.cleared = nil
	}
}

// begin counts a call, waits as its rules say and returns the rule that makes it fail, or nil.
func (p *Plan) begin(ctx context.Context, op string) (*rule, error) {
	p.mu.Lock()
	if p.calls == nil {
		p.calls = make(map[string]uint64)
	}
	if p.cleared == nil {
		p.cleared = make(chan struct{})
	}
	p.calls[op]++
	p.calls[every]++
	matched := p.match(op)
	cleared := p.cleared
	p.wake()
	p.mu.Unlock()

	for _, r := range matched {
		var elapsed <-chan time.Time // never, for stall
		switch r.action {
		case delay:
			elapsed = time.After(r.delay)
		case stall:
		default:
			p.mu.Lock()
			p.injected++
			p.mu.Unlock()
			return r, nil
		}
		select {
		case <-elapsed:
		case <-cleared:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return nil, nil
}

// match returns the rules for the call just counted, up to the first that makes it fail.
func (p *Plan) match(op string) (matched []*rule) {
	for _, r := range p.rules {
		if r.op != op && r.op != every {
			continue
		}
		if call := p.calls[r.op]; call < r.from || call > r.to {
			continue
		}
		matched = append(matched, r)
		if r.action != delay && r.action != stall {
			break
		}
	}
	return matched
}
