package verify

import (
	"runtime"
	"sync"
)

// mistakes are logs that break a promise of the store, each in a way that is easy to get wrong.
var mistakes = map[string]func(log) log{
	"check-then-append": func(l log) log { return checkThenAppend{l} },
	"batch-in-pieces":   func(l log) log { return batchInPieces{l} },
	"stale-read":        func(l log) log { return &staleRead{log: l} },
}

// checkThenAppend compares the version first and appends afterwards.
type checkThenAppend struct{ log }

func (l checkThenAppend) do(in input) (output, error) {
	if in.kind != appendIf {
		return l.log.do(in)
	}
	now, err := l.log.do(input{kind: askNext})
	if err != nil || now.at != in.expected {
		return output{at: now.at}, err
	}
	runtime.Gosched()
	_, err = l.log.do(input{kind: appendBatch, events: in.events})
	return output{ok: true, at: in.expected}, err // it takes the check at its word
}

// batchInPieces appends the events of a batch one by one.
type batchInPieces struct{ log }

func (l batchInPieces) do(in input) (first output, err error) {
	if in.kind != appendBatch {
		return l.log.do(in)
	}
	for i, e := range in.events {
		out, err := l.log.do(input{kind: appendOne, events: []uint64{e}})
		if err != nil {
			return out, err
		}
		if i == 0 {
			first = out
		}
		runtime.Gosched()
	}
	return first, nil
}

// staleRead answers every second read with the one before it.
type staleRead struct {
	log
	mu   sync.Mutex
	last *output
}

func (l *staleRead) do(in input) (output, error) {
	if in.kind != readAll {
		return l.log.do(in)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last != nil {
		out := *l.last
		l.last = nil
		return out, nil
	}
	out, err := l.log.do(in)
	l.last = &out
	return out, err
}
