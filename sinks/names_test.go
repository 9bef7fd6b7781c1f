package sinks_test

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/ephemera-go/ephemera/sinks"
)

// FuzzBlobName holds CheckBlobName to a plain reading of the rules.
func FuzzBlobName(f *testing.F) {
	for _, name := range []string{"a/b", "", ".", "a/.b", "a//b", "A", strings.Repeat("x", 129)} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		legal := len(name) <= 512
		for _, segment := range strings.Split(name, "/") {
			legal = legal && segment != "" && len(segment) <= 128 && segment[0] != '.' &&
				strings.Trim(segment, "abcdefghijklmnopqrstuvwxyz0123456789._-") == ""
		}
		err := sinks.CheckBlobName(name)
		if legal != (err == nil) || err != nil && !errors.Is(err, sinks.ErrInvalid) {
			t.Errorf("%q: %v", name, err)
		}
		if err != nil && (!utf8.ValidString(err.Error()) || strings.ContainsAny(err.Error(), "\x00\n") || len(err.Error()) > 512) {
			t.Errorf("%q: unfit for a log: %q", name, err)
		}
	})
}

// FuzzSignal holds CheckSignal to a plain reading of the rules.
func FuzzSignal(f *testing.F) {
	f.Add(uint64(1), int64(0), "name", "key", "path")
	f.Add(uint64(0), int64(1)<<62, "", "\x00", "\xff")
	f.Fuzz(func(t *testing.T, sequence uint64, seconds int64, name, key, path string) {
		s := sinks.Signal{Sequence: sequence, Time: time.Unix(seconds, 0), Name: name, Key: key, Path: []string{path}}
		text := func(s string, most int) bool {
			return utf8.ValidString(s) && !strings.Contains(s, "\x00") && len(s) <= most
		}
		year := s.Time.UTC().Year()
		legal := sequence >= 1 && sequence <= 1<<63-1 && year >= 1 && year <= 9999 &&
			name != "" && text(name, 1024) && text(key, 4096) && path != "" && text(path, 1024)
		err := sinks.CheckSignal(&s)
		if legal != (err == nil) || err != nil && !errors.Is(err, sinks.ErrInvalid) {
			t.Errorf("%+v: %v", s, err)
		}
		if !s.Equal(s.Clone()) {
			t.Errorf("%+v is not equal to its clone", s)
		}
	})
}
