package streams

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// What a parser accepts is compared with encoding/json, which reads the same texts by other code.

func sameJSON(t *testing.T, a, b []byte) {
	t.Helper()
	var x, y any
	da, db := json.NewDecoder(bytes.NewReader(a)), json.NewDecoder(bytes.NewReader(b))
	da.UseNumber()
	db.UseNumber()
	if err := da.Decode(&x); err != nil {
		t.Fatalf("%q: %v", a, err)
	}
	if err := db.Decode(&y); err != nil {
		t.Fatalf("%q: %v", b, err)
	}
	ja, _ := json.Marshal(x)
	jb, _ := json.Marshal(y)
	if !bytes.Equal(ja, jb) {
		t.Fatalf("%q and %q are different", a, b)
	}
}

// FuzzCanonical: the canonical form says the same, is its own canonical form, has no white space outside of strings and one
// line; what encoding/json refuses is refused.
func FuzzCanonical(f *testing.F) {
	for _, s := range []string{
		`{"b":1,"a":[1.50,-0,1e5,null,true]}`, `"\u00e4\ud83d\ude00\n\/"`, ` [ {} , [ ] ] `, `{"a":1,"a":2}`, `1e999`, `"\ud800"`, "\"\xff\"", `{"a":{"c":1,"b":{"z":1,"y":2}}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		before := bytes.Clone(src)
		out, err := canonical(nil, src)
		if !bytes.Equal(src, before) {
			t.Fatal("the source has changed")
		}
		if err != nil {
			return
		}
		if !json.Valid(src) {
			t.Fatalf("%q is no JSON and became %q", src, out)
		}
		sameJSON(t, src, out)
		again, err := canonical(nil, out)
		if err != nil || !bytes.Equal(again, out) {
			t.Fatalf("%q becomes %q, and that %q, %v", src, out, again, err)
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, out); err != nil || !bytes.Equal(compact.Bytes(), out) || bytes.ContainsAny(out, "\r\n") {
			t.Fatalf("%q has white space", out)
		}
	})
}

// checkEvents compares accepted events with the members that encoding/json finds.
func checkEvents(t *testing.T, got []Event, raws []json.RawMessage) {
	t.Helper()
	if len(got) != len(raws) {
		t.Fatalf("%d events of %d", len(got), len(raws))
	}
	for i, e := range got {
		var members map[string]json.RawMessage
		if json.Unmarshal(raws[i], &members) != nil || members["data"] == nil {
			sameJSON(t, e.Data, raws[i])
			if e.Meta != nil || e.Type != "" || !e.Time.IsZero() {
				t.Fatalf("%q has more than data: %+v", raws[i], e)
			}
			continue
		}
		sameJSON(t, e.Data, members["data"])
		var id string
		if json.Unmarshal(members["id"], &id) == nil && id != e.ID {
			t.Fatalf("%q has id %q", raws[i], e.ID)
		}
		var meta map[string]json.RawMessage
		if e.Meta != nil && json.Unmarshal(e.Meta, &meta) != nil {
			t.Fatalf("meta %q", e.Meta)
		}
		for name := range members {
			if _, there := meta[name]; !there && name != "id" && name != "type" && name != "time" && name != "data" && name != "meta" {
				t.Fatalf("%q lost its member %q", raws[i], name)
			}
		}
		line := appendNew(nil, &e) // what the client would send is read as the same event
		p := newParser(line)
		if err := p.readWhole(false); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if again := appendNew(nil, &p.events[0]); !bytes.Equal(again, line) {
			t.Fatalf("%q is read as %q", line, again)
		}
	}
}

// FuzzEvents: JSON bodies.
func FuzzEvents(f *testing.F) {
	for _, s := range []string{
		`{"id":"1","type":"t","time":"2026-01-01T00:00:00Z","data":{"n":1},"x":[1]}`, `[1,{"data":null},{"id":7}]`, `{"data":1,"meta":{"a":1},"b":2}`, `[{"data":1},{"data":}]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		p := newParser(body)
		if p.readWhole(false) != nil {
			return
		}
		var raws []json.RawMessage
		if bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("[")) {
			if err := json.Unmarshal(body, &raws); err != nil {
				t.Fatal(err)
			}
		} else {
			raws = []json.RawMessage{body}
		}
		checkEvents(t, p.events, raws)
		for i, line := range p.lines {
			if line < 1 || line > 1+bytes.Count(body, []byte("\n")) || i > 0 && line < p.lines[i-1] {
				t.Fatalf("lines %v of %q", p.lines, body)
			}
		}
	})
}

// FuzzLines: NDJSON bodies. Each line is read as if it were alone.
func FuzzLines(f *testing.F) {
	f.Add([]byte("{\"data\":1}\n\n 2 \r\n{\"id\":\"x\",\"valor\":1}"))
	f.Add([]byte("{\"data\":\n1}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		p := newParser(body)
		err := p.eachLine(body)
		var raws []json.RawMessage
		failed := false
		for line := range bytes.Lines(body) {
			if len(bytes.Trim(line, " \t\r\n")) == 0 {
				continue
			}
			if alone := newParser(line); bytes.HasPrefix(bytes.TrimLeft(line, " \t\r\n"), []byte("[")) {
				_, e := canonical(nil, line) // an array is data here
				failed = failed || e != nil
			} else {
				failed = failed || alone.readWhole(false) != nil
			}
			raws = append(raws, line)
		}
		if (err != nil) != (failed || len(raws) > MaxAppend) {
			t.Fatalf("%q: %v, line by line failed %v", body, err, failed)
		}
		if err == nil {
			checkEvents(t, p.events, raws)
		}
	})
}

// FuzzCloudEvents: structured and batch. What is accepted has an id of source and id, and loses no attribute; in binary mode
// it is the same event.
func FuzzCloudEvents(f *testing.F) {
	f.Add([]byte(`{"specversion":"1.0","id":"1","source":"/s","type":"t","time":"2026-01-01T00:00:00Z","data":{"n":1},"ext":"x"}`))
	f.Add([]byte(`{"specversion":"1.0","id":"ä\"","source":"/s","type":"t","data_base64":"AAE=","meta":1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		p := newParser(body)
		p.read = (*parser).cloudEvent
		if p.readWhole(false) != nil || len(p.events) == 0 {
			return
		}
		e := p.events[0]
		var raws []map[string]json.RawMessage
		if one := map[string]json.RawMessage{}; json.Unmarshal(body, &one) == nil {
			raws = append(raws, one)
		} else if err := json.Unmarshal(body, &raws); err != nil {
			t.Fatal(err)
		}
		var meta map[string]json.RawMessage
		if err := json.Unmarshal(e.Meta, &meta); err != nil {
			t.Fatal(err)
		}
		for name, raw := range raws[0] {
			if name != "type" && name != "time" && name != "data" {
				sameJSON(t, meta[name], raw)
			}
		}
		var id, source string
		_ = json.Unmarshal(meta["id"], &id)
		_ = json.Unmarshal(meta["source"], &source)
		if e.ID != source+" "+id || strings.Contains(source, " ") || e.Type == "" {
			t.Fatalf("id %q, type %q of %q", e.ID, e.Type, body)
		}
		asBinary(t, raws[0], e)
	})
}

var plainName = regexp.MustCompile(`^[a-z0-9]+$`)

// asBinary sends an event whose attributes are strings in headers.
func asBinary(t *testing.T, members map[string]json.RawMessage, want Event) {
	t.Helper()
	h := http.Header{}
	for name, raw := range members {
		var s string
		switch {
		case name == "data":
			continue
		case json.Unmarshal(raw, &s) != nil || !plainName.MatchString(name) || name == "datacontenttype":
			return
		}
		h.Set("Ce-"+name, url.PathEscape(s))
	}
	kind := ""
	if data, ok := members["data"]; ok && len(data) > 0 {
		return // binary mode notes the media type of data in meta
	}
	got, err := binaryCloud(h, kind, nil)
	if err != nil {
		t.Fatalf("%v: %v", h, err)
	}
	if got.ID != want.ID || got.Type != want.Type || !got.Time.Equal(want.Time) || !bytes.Equal(got.Meta, want.Meta) {
		t.Fatalf("%+v %s in binary mode, %+v %s in structured mode", got, got.Meta, want, want.Meta)
	}
}

// FuzzQuery: a parameter that is accepted is a decimal number in its range and once there.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{"from=1&limit=2", "from=-1", "limit=010", "from=1&from=2", "%zz", "backward=true", "from=18446744073709551615"} {
		f.Add(s)
	}
	digits := regexp.MustCompile(`^[0-9]+$`)
	f.Fuzz(func(t *testing.T, raw string) {
		r := &http.Request{URL: &url.URL{RawQuery: raw}}
		q, err := query(r, "from", "limit", "backward")
		if err != nil {
			return
		}
		for name := range q {
			if name != "from" && name != "limit" && name != "backward" || len(q[name]) != 1 {
				t.Fatalf("%q is let through in %q", name, raw)
			}
		}
		if n, err := number(q, "limit", 1, MaxPage); err == nil && q.Has("limit") != (n > 0) || n > MaxPage {
			t.Fatalf("limit %d of %q", n, raw)
		}
		if n, err := number(q, "from", 0, 1<<64-1); err == nil && n > 0 && !digits.MatchString(q.Get("from")) {
			t.Fatalf("from %d of %q", n, raw)
		}
		if b, err := boolean(q, "backward"); err == nil && b != (q.Get("backward") == "true") {
			t.Fatalf("backward %v of %q", b, raw)
		}
	})
}

// FuzzCheckpoint: what Last-Event-ID accepts is written the same way, but for leading zeros and capital letters.
func FuzzCheckpoint(f *testing.F) {
	f.Add(strings.Repeat("0a", 16) + ":17")
	f.Add(strings.Repeat("0", 32) + ":18446744073709551616")
	f.Add("x:1")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parseCheckpoint(text)
		if err != nil {
			return
		}
		epoch, version, _ := strings.Cut(text, ":")
		version = strings.TrimLeft(version, "0")
		if version == "" {
			version = "0"
		}
		if got := formatCheckpoint(p); got != strings.ToLower(epoch)+":"+version {
			t.Fatalf("%q is read as %q", text, got)
		}
	})
}

// FuzzGlob: a pattern is the same as a regular expression that is made of it.
func FuzzGlob(f *testing.F) {
	f.Add("a*b?c,x/*", "aäbxc")
	f.Add("*,,?", "")
	f.Add("**a**a**", "aaaa")
	f.Add(" ", "a")
	f.Fuzz(func(t *testing.T, text, name string) {
		p, err := compile(text)
		if err != nil || !utf8.ValidString(name) || len(text) > 100 || len(name) > 200 {
			return
		}
		want := len(p) == 0
		for _, g := range p {
			expression := strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(g))
			want = want || regexp.MustCompile(`(?s)^`+expression+`$`).MatchString(name)
		}
		if got := p.match(name); got != want {
			t.Fatalf("%q covers %q: %v, want %v", text, name, got, want)
		}
		if CheckName(text) == nil && (!p.match(text) || text != name && p.match(name)) {
			t.Fatalf("%q is a name and covers %q, or not itself", text, name)
		}
	})
}
