package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
)

const statusEvery = 10 * time.Second

// live prints what happens while it happens. On a nil live nothing is printed.
type live struct {
	out   *bufio.Writer
	lines uint64 // at the last status
}

func newLive(out io.Writer) *live { return &live{out: bufio.NewWriter(out)} }

func (v *live) restored(r restored) error {
	if v == nil {
		return nil
	}
	fmt.Fprintf(v.out, "%s\n", r)
	return v.flush()
}

func (v *live) match(e entry, text string) error {
	if v == nil {
		return nil
	}
	_, err := fmt.Fprintf(v.out, "%s  %s  | %s\n", printable(e.name), printable(e.key), printable(text))
	return err
}

// burst leaves its error to the next flush, as every bufio.Writer does.
func (v *live) burst(b burst) {
	if v != nil {
		fmt.Fprintf(v.out, "burst of %s: %d from %s to %s\n", printable(b.Name), b.Peak, logTime(b.From), logTime(b.To))
	}
}

// status tells how it goes, if there was something new since it was called last.
func (v *live) status(l *lookout) error {
	if v == nil || v.lines == l.lines {
		return nil
	}
	v.lines = l.lines
	minute, err := l.rate("minute", time.Minute)
	if err != nil {
		return err
	}
	s := l.window.Stats()
	fmt.Fprintf(v.out, "-- %s lines, %s matches, last minute %s (%.2f/s), pending %s\n",
		thousands(l.lines), thousands(l.sensed), thousands(minute.Count), minute.PerSecond, thousands(s.Pending))
	if s.LastError != nil {
		fmt.Fprintf(v.out, "-- signals cannot be written: %v\n", s.LastError)
	}
	return v.flush()
}

func (v *live) flush() error {
	if v == nil {
		return nil
	}
	return v.out.Flush()
}

// printable keeps a log from steering the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || unicode.IsGraphic(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}
