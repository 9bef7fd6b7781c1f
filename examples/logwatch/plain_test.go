package main

import (
	"bytes"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// plainSignal is read from a line without the program's parsers.
type plainSignal struct {
	name string
	at   time.Time
}

func plainSignals(t *testing.T, path string) []plainSignal {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	greps := map[string]*regexp.Regexp{}
	for _, list := range []map[string]string{grepSSH, grepApacheError} {
		for name, expression := range list {
			greps[name] = regexp.MustCompile(expression)
		}
	}
	var all []plainSignal
	for _, l := range bytes.Split(data, []byte("\n")) {
		for name, re := range greps {
			if !re.Match(l) {
				continue
			}
			at, err := time.Parse("2006 Jan _2 15:04:05", "2024 "+string(l[:15]))
			if l[0] == '[' {
				at, err = time.Parse("Mon Jan 02 15:04:05 2006", string(l[1:25]))
			}
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, plainSignal{name, at})
		}
	}
	return all
}

// plainBursts counts with slices, at the end of every second in which a name came.
func plainBursts(all []plainSignal, least int, span time.Duration) []burst {
	var list []*burst
	open := map[string]*burst{}
	var newest time.Time
	for i, s := range all {
		if s.at.After(newest) {
			newest = s.at
		}
		last := true // of its name in this second
		for _, later := range all[i+1:] {
			if later.at.Truncate(time.Second).After(newest) {
				break
			}
			last = last && later.name != s.name
		}
		if !last {
			continue
		}
		n, first := 0, time.Time{}
		for _, x := range all[:i+1] {
			if x.name == s.name && !x.at.Before(newest.Add(-span)) {
				if n++; n == 1 {
					first = x.at
				}
			}
		}
		b := open[s.name]
		switch {
		case n < least:
		case b != nil && !b.To.Before(newest.Add(-span)):
			b.To, b.Peak = newest, max(b.Peak, n)
		default:
			b = &burst{s.name, first, newest, n}
			open[s.name], list = b, append(list, b)
		}
	}
	var bursts []burst
	for _, b := range list {
		bursts = append(bursts, *b)
	}
	return bursts
}

func plainRate(all []plainSignal, name string, span time.Duration) rate {
	var newest time.Time
	for _, s := range all {
		if s.at.After(newest) {
			newest = s.at
		}
	}
	n := 0
	for _, s := range all {
		if !s.at.Before(newest.Add(-span)) {
			n++
		}
	}
	return rate{name, n, float64(n) / span.Seconds()}
}

// equalsPlain compares rates and bursts with what slices give. It is for logs whose times are whole seconds.
func equalsPlain(t *testing.T, path string) {
	t.Helper()
	all := plainSignals(t, path)
	got := jsonOf(t, "mem://", "--once", "--year", "2024", "--burst", "4/20s", path)
	want := []rate{
		plainRate(all, "minute", time.Minute), plainRate(all, "hour", time.Hour), plainRate(all, "day", 24*time.Hour),
	}
	if diff := cmp.Diff(want, got.Rates); diff != "" {
		t.Errorf("rates: -plain +logwatch\n%s", diff)
	}
	bursts := plainBursts(all, 4, 20*time.Second)
	byStart := cmp.Transformer("set", func(list []burst) map[burst]int {
		set := map[burst]int{}
		for _, b := range list {
			set[burst{b.Name, b.From.UTC(), b.To.UTC(), b.Peak}]++
		}
		return set
	})
	if got.Bursts.Detected != len(bursts) || len(bursts) == 0 {
		t.Errorf("%d bursts, want %d, and some", got.Bursts.Detected, len(bursts))
	}
	if diff := cmp.Diff(bursts[max(0, len(bursts)-keptBursts):], got.Bursts.Newest, byStart); diff != "" {
		t.Errorf("bursts: -plain +logwatch\n%s", diff)
	}
}

func TestRatesAndBurstsOfAShippedLog(t *testing.T) {
	// The year of --year is that of the first line, and this log begins in December: it must not reach January here.
	data, err := os.ReadFile("testdata/openssh.log")
	if err != nil {
		t.Fatal(err)
	}
	december, _, ok := bytes.Cut(data, []byte("Jan "))
	if !ok {
		t.Fatal("the log does not reach January")
	}
	path := t.TempDir() + "/december.log"
	if err := os.WriteFile(path, december, 0o600); err != nil {
		t.Fatal(err)
	}
	equalsPlain(t, path)
}
