package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// unixSeconds stands in the list of layouts for a number of seconds since 1970, fraction allowed.
const unixSeconds = "unix"

// commonLayouts are tried in this order; usage shows them. No text fits two of them, so the order decides speed only.
// Where a layout has seconds, a text may have a fraction behind them.
var commonLayouts = []string{
	"2006-01-02T15:04:05Z07:00",
	"2006-01-02T15:04:05",
	"2006-01-02 15:04:05Z07:00",
	"2006-01-02 15:04:05 -0700",
	"2006-01-02 15:04:05",
	"2006/01/02 15:04:05",
	"02/Jan/2006:15:04:05 -0700",
	"Mon Jan _2 15:04:05 2006",
	"Mon, 02 Jan 2006 15:04:05 -0700",
	"Jan _2 15:04:05",
	unixSeconds,
}

// errNoDay is a month and day that the year does not have.
var errNoDay = errors.New("no such day in that year")

// timeReader reads the times of a log. A time without zone is UTC.
type timeReader struct {
	layouts []string
	year    int              // of the first time without one; 0: as late as notAfter allows
	written func() time.Time // when the log was written last
	before  time.Time        // the time without year that was read before
	fits    int              // index of the layout that fitted last
}

func (r *timeReader) read(text string) (time.Time, error) {
	text = strings.TrimSpace(text)
	t, ok := parseTime(r.layouts[r.fits], text)
	for i := 0; !ok && i < len(r.layouts); i++ {
		if t, ok = parseTime(r.layouts[i], text); ok {
			r.fits = i
		}
	}
	if !ok {
		return time.Time{}, fmt.Errorf("%q fits no layout", shorten(text))
	}
	if t.Year() != 0 {
		return t.UTC(), nil
	}
	t, err := r.withYear(t)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q: %w", shorten(text), err)
	}
	r.before = t
	return t.UTC(), nil
}

func parseTime(layout, text string) (time.Time, bool) {
	if layout == unixSeconds {
		return parseUnix(text)
	}
	t, err := time.Parse(layout, text)
	return t, err == nil
}

// parseUnix keeps up to nine decimals, which a float would not.
func parseUnix(text string) (time.Time, bool) {
	whole, fraction, dotted := strings.Cut(text, ".")
	if len(whole) < 9 || len(whole) > 12 || strings.Trim(text, ".0123456789") != "" || dotted && fraction == "" || len(fraction) > 9 {
		return time.Time{}, false
	}
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	nanos, err := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
	return time.Unix(seconds, nanos), err == nil
}

// withYear finds the year of a time that has none. A log goes on where it was: only December and January that meet
// change the year.
func (r *timeReader) withYear(t time.Time) (time.Time, error) {
	if !r.before.IsZero() {
		year := r.before.Year()
		switch distance := t.Month() - r.before.Month(); {
		case distance <= -10:
			year++
		case distance >= 10:
			year--
		}
		return inYear(t, year)
	}
	if r.year != 0 {
		return inYear(t, r.year)
	}
	// A day more, because the log may be in a time zone ahead of UTC; eight years, because of February 29.
	written := r.written().UTC()
	limit := written.Add(24 * time.Hour)
	for back := range 9 {
		if found, err := inYear(t, written.Year()-back); err == nil && !found.After(limit) {
			return found, nil
		}
	}
	return time.Time{}, errNoDay
}

func inYear(t time.Time, year int) (time.Time, error) {
	found := time.Date(year, t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), t.Location())
	if found.Day() != t.Day() {
		return time.Time{}, fmt.Errorf("%w: %d", errNoDay, year)
	}
	return found, nil
}

// checkLayout refuses layouts that cannot tell a day.
func checkLayout(layout string) error {
	if layout == unixSeconds {
		return nil
	}
	probe := time.Date(2017, time.November, 23, 16, 47, 58, 0, time.UTC)
	got, err := time.Parse(layout, probe.Format(layout))
	switch {
	case err != nil:
		return fmt.Errorf("%q cannot read what it writes: %w", layout, err)
	case got.Month() != probe.Month() || got.Day() != probe.Day():
		return fmt.Errorf("%q has no month and day; layouts are those of Go's package time, such as %q", layout, "2006-01-02 15:04:05")
	}
	return nil
}

// shorten keeps messages readable, whatever a log holds.
func shorten(s string) string {
	const most = 60
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}
