package main

import (
	"errors"
	"fmt"
	"time"
)

// entry is what a parser reads from a line.
type entry struct {
	name, key string
	at        time.Time
}

// parser reads lines of one format. The error wraps errNoMatch or errBadTime.
type parser interface {
	format() string
	parse(line string) (entry, error)
}

// Reasons why a line raises nothing. Their texts are the keys of unmatchedBy in the report.
var (
	errNoMatch      = errors.New("noMatch")      // the line is not of the format
	errBadTime      = errors.New("badTime")      // its time cannot be read
	errTooLong      = errors.New("tooLong")      // it is longer than maxLine
	errBadSignal    = errors.New("badSignal")    // its name or key is empty, too long or no valid UTF-8
	errTooManyNames = errors.New("tooManyNames") // its name is new, and the window knows as many as it takes
)

var reasons = []error{errNoMatch, errBadTime, errTooLong, errBadSignal, errTooManyNames}

// reasonOf returns the key under which a line that raised nothing is counted.
func reasonOf(err error) string {
	for _, r := range reasons {
		if errors.Is(err, r) {
			return r.Error()
		}
	}
	return "other"
}

// explain returns the reason with words that say what is wrong with the line.
func explain(err error) string {
	switch {
	case errors.Is(err, errNoMatch):
		return err.Error() + ": not a line of the format"
	case errors.Is(err, errTooLong):
		return err.Error() + ": longer than 1 MiB"
	}
	return err.Error() // the others say it
}

// at reads the time of a line.
func (r *timeReader) at(text string) (time.Time, error) {
	t, err := r.read(text)
	if err != nil {
		return t, fmt.Errorf("%w: %w", errBadTime, err)
	}
	return t, nil
}

func newParser(o options, written func() time.Time) parser {
	times := &timeReader{layouts: commonLayouts, year: o.year, written: written}
	if o.timeLayout != "" {
		times.layouts = []string{o.timeLayout}
	}
	switch o.format {
	case formatOpenSSH:
		return &openSSH{times}
	case formatApache:
		return &apache{times}
	case formatRegexp:
		return newPattern(o.pattern, times)
	}
	return &guess{candidates: []parser{&openSSH{times}, &apache{times}}}
}

// guess decides for the first format that knows a line; the lines before it are of neither.
type guess struct {
	candidates []parser
	chosen     parser
}

func (g *guess) format() string {
	if g.chosen == nil {
		return ""
	}
	return g.chosen.format()
}

func (g *guess) parse(line string) (entry, error) {
	if g.chosen != nil {
		return g.chosen.parse(line)
	}
	for _, p := range g.candidates {
		e, err := p.parse(line)
		if !errors.Is(err, errNoMatch) {
			g.chosen = p
			return e, err
		}
	}
	return entry{}, errNoMatch
}
