package snapshot

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ephemera-go/ephemera/core"
)

func TestJSONRoundTrip(t *testing.T) {
	codec := JSON[note]()
	want := []note{
		{},
		{Text: "a\nb\r\n\u2028\u2029\x00\"\\<>&\ufffd", N: math.MinInt64, F: -math.MaxFloat64, Small: 255, At: time.Unix(0, 1).UTC()},
		{N: math.MaxInt64, F: 5e-324, Tags: map[string]string{"b": "2", "a": "1", "": ""}, List: []float32{0.1, math.MaxFloat32}},
		{Any: map[string]any{"x": []any{1.5, "two", nil, true}}, Next: &note{Next: &note{Text: strings.Repeat("x", 100_000)}}},
	}
	b, err := codec.Append([]byte("front"), want)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(b, []byte{'\n'}); n != len(want) || !bytes.HasPrefix(b, []byte("front")) {
		t.Errorf("%d lines, want %d", n, len(want))
	}
	got, err := codec.Decode([]note{{Text: "front"}}, b[5:], len(want))
	if diff := cmp.Diff(append([]note{{Text: "front"}}, want...), got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	again, _ := codec.Append(nil, want)
	if !bytes.Equal(again, b[5:]) {
		t.Error("other bytes the second time")
	}
}

// loose writes JSON as people do.
type loose struct{ json string }

func (l loose) MarshalJSON() ([]byte, error)     { return []byte(l.json), nil }
func (l *loose) UnmarshalJSON(data []byte) error { l.json = string(data); return nil }

// What an event writes of itself stays on one line.
func TestJSONOfMarshalers(t *testing.T) {
	codec := JSON[loose]()
	b, err := codec.Append(nil, []loose{{"{\n  \"a\": 1,\r\n\t\"b\": [ ]\n}\n"}, {"\"<x>\""}, {" null "}})
	if want := "{\"a\":1,\"b\":[]}\n\"<x>\"\nnull\n"; err != nil || string(b) != want {
		t.Errorf("%q, %v; want %q", b, err, want)
	}
	if got, err := codec.Decode(nil, b, 3); err != nil || got[0].json != `{"a":1,"b":[]}` {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range []string{"", "{", "\"a\nb\"", "1 2", "{}\n{}"} {
		if b, err := codec.Append(nil, []loose{{bad}}); err == nil {
			t.Errorf("%q is written as %q", bad, b)
		}
	}
	raw := JSON[json.RawMessage]()
	b, err = raw.Append(nil, []json.RawMessage{json.RawMessage("[\n1,\n2]"), nil})
	if err != nil || string(b) != "[1,2]\nnull\n" {
		t.Errorf("%q, %v", b, err)
	}
}

// The documented ways in which an event comes back as another one, so that a change of them is noticed.
func TestJSONIsNotExact(t *testing.T) {
	type event struct {
		Text    string
		Any     any
		Left    int `json:"-"`
		private int
	}
	codec := JSON[event]()
	b, err := codec.Append(nil, []event{{"a\xffb", int64(math.MaxInt64), 1, 2}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := codec.Decode(nil, b, 1)
	if want := (event{Text: "a\ufffdb", Any: float64(math.MaxInt64)}); err != nil || got[0] != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if _, err := JSON[float64]().Append(nil, []float64{1, f}); err == nil || !strings.Contains(err.Error(), "event 1 of 2") {
			t.Errorf("%v: %v, want an error that names the event", f, err)
		}
	}
}

type hidden struct{ X, y int } //nolint:unused // that is the point

type lister struct {
	_    [40]byte
	Told map[string][]*told
	At   time.Time
	left int `json:"-"` //nolint:unused // may be lost
}

type told struct {
	embedded
	None struct{}
	Next *told
}

type embedded struct{ A int }

type twin struct{ A, B int }

type tagged struct {
	X int
	Y int `json:"X,omitempty"`
}

type shadowing struct {
	*Within
	A int
}

// Within is embedded by a pointer, and embeds itself.
type Within struct {
	*Within
	embedded
	Named embedded
}

// TestJSONLosesNothing: a field that encoding/json would leave out without a word is refused by name.
func TestJSONLosesNothing(t *testing.T) {
	refused := func(err error, field string) {
		t.Helper()
		fails(t, err, ErrOption)
		if !strings.Contains(err.Error(), "snapshot."+field+",") {
			t.Errorf("%v does not name %s", err, field)
		}
	}
	blobs := (&place{}).handle(t)
	_, err := Open(t.Context(), blobs, core.Options[hidden]{Capacity: 1}, Options[hidden]{})
	refused(err, "hidden.y")
	_, _, err = Load(t.Context(), blobs, core.Options[*hidden]{Capacity: 1}, Options[*hidden]{})
	refused(err, "hidden.y")
	refused(wrap("open", "", jsonCodec[map[string][]hidden]{}.check()), "hidden.y")
	refused(wrap("open", "", jsonCodec[struct{ In struct{ hidden } }]{}.check()), "hidden.y")
	refused(wrap("open", "", jsonCodec[struct {
		embedded
		Other twin
		twin
	}]{}.check()), "twin.A")
	refused(wrap("open", "", jsonCodec[map[int]tagged]{}.check()), "tagged.Y")
	refused(wrap("open", "", jsonCodec[shadowing]{}.check()), "shadowing.A")
	must(t, jsonCodec[lister]{}.check())
	must(t, jsonCodec[any]{}.check())
}

func TestJSONRefuses(t *testing.T) {
	codec := JSON[note]()
	for _, x := range []struct {
		src string
		n   int
	}{
		{"", 1},
		{"\n", 1},
		{"{}", 1},
		{"{}\n", 2},
		{"{}\n{}\n", 1},
		{"{}\n\n", 1},
		{"{}\n{", 1},
		{"{\n}\n", 1},
		{"{}{}\n", 1},
		{"[]\n", 1},
		{`{"n":9223372036854775808}` + "\n", 1},
		{`{"n":1.5}` + "\n", 1},
		{`{"n":1e3}` + "\n", 1},
		{`{"f":1e999}` + "\n", 1},
		{`{"small":256}` + "\n", 1},
		{`{"small":-1}` + "\n", 1},
		{`{"text":"` + "\x01" + `"}` + "\n", 1},
		{`{"at":"0000-13-01T00:00:00Z"}` + "\n", 1},
		{strings.Repeat("[", 20_000) + "\n", 1},
		{`{"any":` + strings.Repeat("[", 20_000) + "\n", 1},
		{"{}\n", -1},
		{"{}\n", 4},
		{"{}\n", 0},
	} {
		if got, err := codec.Decode(nil, []byte(x.src), x.n); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%.60q as %d events: %v, %v; want ErrCorrupt", x.src, x.n, got, err)
		}
	}
	// Later versions of a program may have added fields.
	if got, err := codec.Decode(nil, []byte(`{"text":"x","added":{"later":[1,2]}}`+"\n"), 1); err != nil || got[0].Text != "x" {
		t.Errorf("%v, %v", got, err)
	}
}
