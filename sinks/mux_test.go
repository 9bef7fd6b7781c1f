package sinks_test

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/memstore"
)

// failing is a driver that cannot open anything.
type failing struct{ memstore.Opener }

var errFailing = errors.New("no such server")

func (failing) OpenSignals(context.Context, *url.URL) (sinks.SignalStore, error) {
	return nil, errFailing
}

func TestMux(t *testing.T) {
	var m sinks.Mux
	if got := m.Schemes(); len(got) != 0 {
		t.Errorf("a new mux has schemes %q", got)
	}
	m.Register("one", memstore.Opener{})
	m.Register("bad", failing{})
	if got := m.Schemes(); !slices.Equal(got, []string{"bad", "one"}) {
		t.Errorf("schemes %q", got)
	}
	blobs, err := m.OpenBlobs(t.Context(), "one://")
	if err != nil {
		t.Fatal(err)
	}
	signals, err := m.OpenSignals(t.Context(), "ONE://")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(blobs.Close(), signals.Close()); err != nil {
		t.Error(err)
	}
	_, err = m.OpenSignals(t.Context(), "bad://user:secret@host/path?token=secret")
	want := "bad open bad://host/path?token=…: no such server"
	if !errors.Is(err, errFailing) || err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.OpenSignals(ctx, "one://"); !errors.Is(err, context.Canceled) {
		t.Errorf("opening with a context that is over returned %v", err)
	}
}

func TestMuxRefuses(t *testing.T) {
	var m sinks.Mux
	m.Register("one", memstore.Opener{})
	cases := []struct {
		url  string
		says []string
	}{
		{"two://user:secret@h/p", []string{`no driver for scheme "two"`, "registered: one"}},
		{"sqlite:///secret.db", []string{`import _ "github.com/ephemera-go/ephemera/storage-sqlite"`}},
		{"file:///x", []string{`import _ "github.com/ephemera-go/ephemera/sinks/filestore"`}},
		{"s3://key:secret@bucket", []string{`import _ "github.com/ephemera-go/ephemera/storage-s3"`}},
		{"postgres://u:secret@h/db", []string{`import _ "github.com/ephemera-go/ephemera/storage-postgres"`}},
		{"postgresql://u:secret@h/db", []string{`import _ "github.com/ephemera-go/ephemera/storage-postgres"`}},
		{"/just/a/path", []string{"a URL such as file:///dir is needed"}},
		{"", []string{"a URL such as"}},
		{"one://%zz:secret@h", []string{"malformed URL"}},
		{"one://a:secret:b@h:port", []string{"malformed URL"}},
		{"one://name?secret=1", []string{"unknown query key"}},
	}
	for _, c := range cases {
		_, err := m.OpenBlobs(t.Context(), c.url)
		if known := (*sinks.Error)(nil); !errors.Is(err, sinks.ErrInvalid) || !errors.As(err, &known) || known.Op != "open" {
			t.Errorf("%s: error %v", c.url, err)
			continue
		}
		for _, text := range c.says {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%s: error %q does not say %q", c.url, err, text)
			}
		}
		if strings.Contains(c.url, ":secret") && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error %q repeats the secret", c.url, err)
		}
	}
}

func TestRegisterPanics(t *testing.T) {
	for _, scheme := range []string{"one", "", "Two", "a b", "a:b", "1"} {
		func() {
			var m sinks.Mux
			m.Register("one", memstore.Opener{})
			defer func() {
				if recover() == nil {
					t.Errorf("registering %q did not panic", scheme)
				}
			}()
			m.Register(scheme, memstore.Opener{})
		}()
	}
}

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"file:///var/lib/x":                  "file:///var/lib/x",
		"file:./x?max_file=1":                "file:./x?max_file=…",
		"s3://key:secret@h/b?z=1&a=secret#f": "s3://h/b?a=…&z=…",
		"x:user:secret@host":                 "x:(hidden)",
		"?x://user:secret@host":              "?(hidden)=…",
		"x://h:port:secret":                  "x://(malformed)",
		"\x00secret":                         "(malformed URL)",
		"mem://name":                         "mem://name",
		// Passwords that were not escaped, and slashes that are missing or too many.
		"s3:/key:secret@host/bucket":        "s3://(hidden)",
		"postgres:///user:secret@host/db":   "postgres://(hidden)",
		"postgres://user:12/secret@host/db": "postgres://(hidden)",
		"postgres://user:12#secret@host/db": "postgres://(hidden)",
		"postgres://user:12?secret@host/db": "postgres://(hidden)?(hidden)=…",
		"x://us/er:secret@host":             "x://(hidden)",
		"file:///home/me@corp/x":            "file:///home/me@corp/x",
		"file:///C:/x":                      "file:///C:/x",
		"s3://host:9000/bucket":             "s3://host:9000/bucket",
	} {
		if got := sinks.Redact(in); got != want {
			t.Errorf("Redact(%q) = %q, want %q", in, got, want)
		}
	}
}

// FuzzRedact takes URLs whose user and password were put together without escaping them.
func FuzzRedact(f *testing.F) {
	f.Add("scheme", "user", "h/p?q=1")
	f.Add("x", "u/s?e#r", "")
	f.Add("x", "u:1/", "@")
	f.Fuzz(func(t *testing.T, scheme, user, rest string) {
		const secret = "5ecr3t"
		for _, raw := range []string{
			scheme + "://" + user + ":" + secret + "@host/" + rest,
			scheme + ":/" + user + ":" + secret + "@host/" + rest,
			scheme + ":///" + user + ":" + secret + "@host/" + rest,
			scheme + "://host/path?" + url.QueryEscape(rest) + "=" + secret,
		} {
			u, err := url.Parse(raw)
			if err == nil && u.Scheme == "" {
				continue // the whole is a path: there is no URL that could hold a secret
			}
			if got := sinks.Redact(raw); strings.Contains(got, secret) {
				t.Errorf("Redact(%q) = %q", raw, got)
			}
		}
	})
}
