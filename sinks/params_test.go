package sinks_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

func params(t *testing.T, query string) *sinks.Params {
	t.Helper()
	return sinks.NewParams(&url.URL{RawQuery: query})
}

func TestParams(t *testing.T) {
	p := params(t, "d=90s&b=true&i=-3&s=8MiB&s2=64kB&s3=7&s4=3B&t=a%20b&c=full")
	if d := p.Duration("d", 0, 0, time.Hour); d != 90*time.Second {
		t.Error(d)
	}
	if b := p.Bool("b", false); !b {
		t.Error(b)
	}
	if i := p.Int("i", 0, -5, 5); i != -3 {
		t.Error(i)
	}
	for key, want := range map[string]int64{"s": 8 << 20, "s2": 64_000, "s3": 7, "s4": 3} {
		if n := p.Size(key, 0, 0, 1<<30); n != want {
			t.Error(key, n)
		}
	}
	if s := p.String("t", ""); s != "a b" {
		t.Error(s)
	}
	if s := p.Choice("c", "normal", "full", "normal"); s != "full" {
		t.Error(s)
	}
	if d, b, i, s, c := p.Duration("x", 7, 0, 1), p.Bool("x", true), p.Int("x", 9, 0, 1), p.Size("x", 3, 0, 1), p.Choice("x", "z"); d != 7 || !b || i != 9 || s != 3 || c != "z" {
		t.Error("defaults", d, b, i, s, c)
	}
	if err := p.Err(); err != nil {
		t.Error(err)
	}
}

func TestParamsRefuseTogether(t *testing.T) {
	p := params(t, "d=5&b=1&i=6&s=1XB&s2=99999999999TiB&s3=-1&c=other&twice=1&twice=2&unknown=secret&secret%0Akey=1&d2=2h")
	p.Duration("d", 0, 0, time.Hour)
	p.Duration("d2", 0, 0, time.Hour)
	p.Bool("b", false)
	p.Int("i", 0, 0, 5)
	p.Size("s", 0, 0, 10)
	p.Size("s2", 0, 0, 10)
	p.Size("s3", 0, 0, 10)
	p.Choice("c", "", "one", "two")
	p.String("twice", "")
	err := p.Err()
	if !errors.Is(err, sinks.ErrInvalid) {
		t.Fatal(err)
	}
	for _, key := range []string{"d must", "d2 must", "b must", "i must", "s must", "s2 must", "s3 must", "c must be one of one, two", "twice", "unknown", "(hidden)"} {
		if !strings.Contains(err.Error(), "query key "+key) {
			t.Errorf("%q does not speak of %s", err, key)
		}
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("%q repeats a value", err)
	}
	if err := params(t, "a=%zz").Err(); !errors.Is(err, sinks.ErrInvalid) {
		t.Errorf("a malformed query: %v", err)
	}
}

func FuzzParams(f *testing.F) {
	f.Add("a=1&b=2s&c=3MiB&d=true")
	f.Add("a=9223372036854775808&c=8589934592GiB")
	f.Fuzz(func(t *testing.T, query string) {
		p := params(t, query)
		i, d := p.Int("a", 0, -10, 10), p.Duration("b", 0, 0, time.Hour)
		s := p.Size("c", 0, 0, 1<<50)
		p.Bool("d", false)
		if i < -10 || i > 10 || d < 0 || d > time.Hour || s < 0 || s > 1<<50 {
			t.Error(i, d, s)
		}
		if err := p.Err(); err != nil && !errors.Is(err, sinks.ErrInvalid) {
			t.Error(err)
		}
	})
}
