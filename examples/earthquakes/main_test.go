package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// result is what a run of the program gives.
type result struct {
	code           int
	stdout, stderr string
}

func runWith(stdin string, args ...string) result {
	var stdout, stderr bytes.Buffer
	code := run(args, strings.NewReader(stdin), &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

// smallFeed has an event at exactly one hour before the newest, one a millisecond older, a tie of networks and a null.
var smallFeed = collection(
	with("d", `"mag":2.5,"time":7200000,"net":"us"`),
	with("c", `"mag":null,"time":7000000,"net":"ci"`),
	with("b", `"mag":-1,"time":3600000,"net":"us"`),
	with("a", `"mag":4,"time":3599999,"net":"ak"`),
	with("e", `"mag":9,"time":3000000,"net":"ak"`),
)

const smallJSON = `{
  "events": 5,
  "appended": 5,
  "visible": 5,
  "discarded": 0,
  "capacity": 100000,
  "order": "file",
  "newest": "1970-01-01T02:00:00.000Z",
  "windows": {
    "hour": {
      "count": 3,
      "noMagnitude": 1,
      "max": 2.5,
      "avg": 0.75,
      "p95": 2.5
    },
    "day": {
      "count": 5,
      "noMagnitude": 1,
      "max": 9,
      "avg": 3.625,
      "p95": 9
    },
    "week": {
      "count": 5,
      "noMagnitude": 1,
      "max": 9,
      "avg": 3.625,
      "p95": 9
    }
  },
  "networks": 3,
  "top": [
    {
      "key": "ak",
      "count": 2
    },
    {
      "key": "us",
      "count": 2
    },
    {
      "key": "ci",
      "count": 1
    }
  ],
  "ledger": {
    "appended": 5,
    "visible": 5,
    "hidden": 0,
    "discarded": 0,
    "inFlight": 0,
    "expired": 0,
    "purged": 0,
    "cleared": 0,
    "balanced": true
  }
}
`

const smallText = `final report on standard input
5 events in file order, capacity 2
appended 5, visible 2, discarded 3
newest visible event 1970-01-01T00:59:59.999Z

window      count no magnitude      max      avg      p95
hour            2            0     9.00     6.50     9.00
day             2            0     9.00     6.50     9.00
week            2            0     9.00     6.50     9.00

top networks (1 of 1)
ak              2 ##############################

ledger: appended 5 = visible 2 + hidden 0 + discarded 3
        + in flight 0 + expired 0 + purged 0 + cleared 0 (balanced)
`

const emptyText = `final report on standard input
0 events in time order, capacity 100,000
appended 0, visible 0, discarded 0

window      count no magnitude      max      avg      p95
hour            0            0        -        -        -
day             0            0        -        -        -
week            0            0        -        -        -

top networks (0 of 0)

ledger: appended 0 = visible 0 + hidden 0 + discarded 0
        + in flight 0 + expired 0 + purged 0 + cleared 0 (balanced)
`

func TestRun(t *testing.T) {
	tests := []struct {
		name, stdin string
		args        []string
		want        result
	}{
		{"help", "", []string{"--help"}, result{0, usage, ""}},
		{"json", smallFeed, []string{"--once", "--json", "-"}, result{0, smallJSON, ""}},
		{"flags after the file", smallFeed, []string{"-", "--json", "--once"}, result{0, smallJSON, ""}},
		{"text", smallFeed, []string{"--once", "--capacity", "2", "-"}, result{0, smallText, ""}},
		{"empty feed", collection(), []string{"--once", "--by-time", "-"}, result{0, emptyText, ""}},
		{"empty feed live", collection(), []string{"--by-time", "-"}, result{0, emptyText, ""}},
		{
			"refused", collection(goodFeature, `{"id":"b"}`),
			[]string{"--once", "-"},
			result{1, "", "earthquakes: standard input: feature 1: properties: missing\n"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := runWith(tt.stdin, tt.args...)
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(result{})); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestRunRefusesFlags(t *testing.T) {
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"--capacity", "0"}, "--capacity: want 1 to 10000000"},
		{[]string{"--capacity", "-5"}, "--capacity: want"},
		{[]string{"--capacity", "10000001"}, "--capacity: want"},
		{[]string{"--capacity", "many"}, `invalid value "many"`},
		{[]string{"--top", "0"}, "--top: want 1 to 1000"},
		{[]string{"--speed", "0"}, "--speed: want 0.001 to 1e+09"},
		{[]string{"--speed", "-1"}, "--speed: want"},
		{[]string{"--speed", "NaN"}, "--speed: want"},
		{[]string{"--speed", "Inf"}, "--speed: want"},
		{[]string{"--for", "0s"}, "--for: want above 0"},
		{[]string{"--for", "-1s"}, "--for: want above 0"},
		{[]string{"--for", "9999h"}, "--for: want"},
		{[]string{"--for", "soon"}, `invalid value "soon"`},
		{[]string{"--json"}, "--json needs --once"},
		{[]string{"--once", "--speed", "5"}, "--speed is for the live view"},
		{[]string{"--once", "--for", "5s"}, "--for is for the live view"},
		{[]string{"--once", "a", "b"}, "one FILE at most, got 2"},
		{[]string{"--once", ""}, "FILE is empty"},
		{[]string{"--nonsense"}, "not defined: -nonsense"},
	}
	for _, tt := range tests {
		got := runWith("", tt.args...)
		if got.code != exitUsage || got.stdout != "" || !strings.Contains(got.stderr, tt.want) {
			t.Errorf("%q: exit %d, stdout %q, stderr %q; want exit 2 with %s", tt.args, got.code, got.stdout, got.stderr, tt.want)
		}
	}
}

func TestRunVersion(t *testing.T) {
	if got := runWith("", "--version"); got.code != 0 || !strings.HasPrefix(got.stdout, "earthquakes ") {
		t.Errorf("got %+v", got)
	}
}

func TestRunWithoutFile(t *testing.T) {
	got := runWith("", "--once", filepath.Join(t.TempDir(), "absent.json"))
	if got.code != exitFailed || !strings.Contains(got.stderr, "absent.json") {
		t.Errorf("got %+v", got)
	}
}

// full is a disk without space.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space") }

func TestRunReportsFailedOutput(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"--version"}, {"--once"}, {"--once", "--json"}, {"--for", "1ms"}} {
		var stderr bytes.Buffer
		if code := run(args, nil, full{}, &stderr); code != exitFailed || stderr.String() != "earthquakes: no space\n" {
			t.Errorf("%q: exit %d, stderr %q", args, code, &stderr)
		}
	}
}

func TestTopLimitsTheReport(t *testing.T) {
	var all, text struct{ Top []group }
	for args, r := range map[string]*struct{ Top []group }{"--once --json": &all, "--once --json --top 3": &text} {
		got := runWith("", strings.Fields(args)...)
		if err := json.Unmarshal([]byte(got.stdout), r); err != nil {
			t.Fatalf("%v: %s", err, got.stderr)
		}
	}
	if len(all.Top) != 12 || !cmp.Equal(all.Top[:3], text.Top) {
		t.Errorf("all %v, three %v", all.Top, text.Top)
	}
	if got := runWith("", "--once"); !strings.Contains(got.stdout, "top networks (10 of 12)\n") {
		t.Errorf("the text lists other than 10 of 12 networks:\n%s", got.stdout)
	}
}
