package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/streams"
)

// TestMinutesBeyondDurations: more minutes than a time.Duration holds are refused. They would be a moment in the future, before
// which everything is purged, and what comes from then on.
func TestMinutesBeyondDurations(t *testing.T) {
	s := site(t, options())
	st := open(t, s)
	a := streams.Append{Stream: "s", Events: []streams.Event{{Data: []byte("1")}}}
	if _, err := st.Log.Append(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	for _, minutes := range []string{"153722868", "200000000", "1073741824", "18446744073709551615"} {
		want(t, s, http.StatusBadRequest, "POST", "/admin/purge?olderThanMinutes="+minutes, "")
		want(t, s, http.StatusBadRequest, "GET", "/metrics/sum-window?label=a&minutes="+minutes, "")
	}
	year := time.Now().UTC().Add(-153722867 * time.Minute).Format("2006")
	w := want(t, s, 200, "POST", "/admin/purge?olderThanMinutes=153722867", "")
	if got := w.Body.String(); !strings.Contains(got, `"purgedBefore":"`+year+"-") {
		t.Errorf("292 years ago: %s", got)
	}
	if page, err := st.Log.Read(t.Context(), streams.Read{Stream: "s"}); err != nil || len(page.Events) != 1 {
		t.Errorf("%d events are left, %v", len(page.Events), err)
	}
}

// TestSumsBeyondNumbers: JSON has no infinity; a reply with an empty body would say less than nothing.
func TestSumsBeyondNumbers(t *testing.T) {
	s := site(t, options())
	open(t, s)
	want(t, s, http.StatusCreated, "POST", "/metrics", `[{"label":"up","value":1.7e308},{"label":"up","value":1.7e308},`+
		`{"label":"down","value":-1.7e308},{"label":"down","value":-1.7e308}]`)
	for path, expected := range map[string]string{
		"/metrics/sum?label=up":         `"Infinity"`,
		"/metrics/sum-window?label=up":  `"Infinity"`,
		"/metrics/sum?label=down":       `"-Infinity"`,
		"/metrics/window?label=up":      `{"count":2,"sum":"Infinity","min":1.7e+308,"max":1.7e+308,"avg":"Infinity",`,
		"/metrics/top?k=1":              `[{"label":"up","sum":"Infinity","count":2}]`,
		"/metrics/sum?label=other":      `0`,
		"/metrics/window?label=nothing": `{"count":0,"sum":0,"min":null,"max":null,"avg":null,`,
	} {
		if got := want(t, s, 200, "GET", path, "").Body.String(); !strings.HasPrefix(got, expected) {
			t.Errorf("%s: %q, want %s", path, got, expected)
		}
	}
}

// TestPurgeInTheFuture is refused: what is acknowledged before that moment comes would never be seen.
func TestPurgeInTheFuture(t *testing.T) {
	s := site(t, options())
	open(t, s)
	want(t, s, http.StatusCreated, "POST", "/streams/s", `{"n":1}`, "Content-Type: application/json")
	for _, at := range []string{"2300-01-01T00:00:00Z", time.Now().Add(time.Hour).UTC().Format(time.RFC3339)} {
		want(t, s, http.StatusBadRequest, "POST", "/admin/purge?olderThan="+at, "")
	}
	want(t, s, http.StatusCreated, "POST", "/streams/s", `{"n":2}`, "Content-Type: application/json")
	if got := want(t, s, 200, "GET", "/streams/s?info=true", "").Body.String(); !strings.Contains(got, `"events":2`) {
		t.Errorf("%s", got)
	}
}
