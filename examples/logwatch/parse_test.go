package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestTimes(t *testing.T) {
	const day = "2025-11-23T17:45:56Z"
	tests := []struct{ layout, text, want string }{
		{"", "2025-11-23T17:45:56Z", day},
		{"", "2025-11-23T19:45:56.25+02:00", "2025-11-23T17:45:56.25Z"},
		{"", "2025-11-23T17:45:56", day},
		{"", "2025-11-23 19:45:56+02:00", day},
		{"", "2025-11-23 19:45:56 +0200", day},
		{"", "2025-11-23 17:45:56,123", "2025-11-23T17:45:56.123Z"},
		{"", " 2025/11/23 17:45:56 ", day},
		{"", "23/Nov/2025:16:45:56 -0100", day},
		{"", "Sun Nov 23 17:45:56 2025", day},
		{"", "Sun Nov 23 17:45:56.000001 2025", "2025-11-23T17:45:56.000001Z"},
		{"", "Sun, 23 Nov 2025 17:45:56 +0000", day},
		{"", "Nov 23 17:45:56", "2021-11-23T17:45:56Z"},
		{"", "Nov  3 17:45:56", "2021-11-03T17:45:56Z"},
		{"", "1763919956", day},
		{"", "1763919956.123456789", "2025-11-23T17:45:56.123456789Z"},
		{"unix", "1763919956.5", "2025-11-23T17:45:56.5Z"},
		{"02.01.2006 15h04", "23.11.2025 17h45", "2025-11-23T17:45:00Z"},
		{"Jan 2", "Nov 23", "2021-11-23T00:00:00Z"},
		{"", "", ""},
		{"", "yesterday", ""},
		{"", "12345678", ""},
		{"", "1763919956.", ""},
		{"", "1763919956.1234567890", ""},
		{"", "-1763919956", ""},
		{"", "2025-02-29 17:45:56", ""},
		{"", "Feb 29 17:45:56", ""},
		{"unix", "Nov 23 17:45:56", ""},
	}
	for _, tt := range tests {
		r := timeReader{layouts: commonLayouts, year: 2021}
		if tt.layout != "" {
			if err := checkLayout(tt.layout); err != nil {
				t.Error(err)
			}
			r.layouts = []string{tt.layout}
		}
		got, err := r.read(tt.text)
		if tt.want == "" != (err != nil) || err == nil && (logTime(got) != tt.want || got.Location() != time.UTC) {
			t.Errorf("%q with layout %q: %v, %v, want %q", tt.text, tt.layout, got, err, tt.want)
		}
	}
}

// The order in which layouts are tried decides nothing, or else what was read before would decide what is read now.
func TestNoTimeFitsTwoLayouts(t *testing.T) {
	probe := time.Date(2025, time.November, 23, 17, 45, 56, 0, time.FixedZone("", 3600))
	for _, layout := range commonLayouts {
		text := probe.Format(layout)
		if layout == unixSeconds {
			text = fmt.Sprint(probe.Unix())
		}
		fits := 0
		for _, other := range commonLayouts {
			if _, ok := parseTime(other, text); ok {
				fits++
			}
		}
		if fits != 1 {
			t.Errorf("%q fits %d layouts", text, fits)
		}
	}
}

func TestYears(t *testing.T) {
	tests := []struct {
		year          int
		written       string
		texts, wanted string
	}{
		{0, "2025-11-23", "Nov 22, Nov 23", "2025, 2025"},
		{0, "2025-11-23", "Nov 24", "2025"}, // a day is allowed for time zones
		{0, "2025-11-23", "Nov 26", "2024"},
		{0, "2025-01-02", "Dec 30, Dec 31, Jan 1, Dec 31, Jan 2", "2024, 2024, 2025, 2024, 2025"},
		{0, "2025-01-02", "Feb 1, Aug 1, Dec 31", "2024, 2024, 2024"},
		{0, "2025-12-31", "Jan 1", "2025"},
		{0, "2024-12-31", "Jan 1", "2024"},
		{0, "2027-11-23", "Feb 29, Mar 1", "2024, 2024"},
		{0, "1904-02-01", "Feb 29", "1896"},
		{2015, "2025-11-23", "Nov 30, Jan 1, Feb 28", "2015, 2016, 2016"},
		{2015, "2025-11-23", "Feb 29", "error"},
	}
	for _, tt := range tests {
		r := timeReader{layouts: []string{"Jan 2"}, year: tt.year, written: func() time.Time {
			w, err := time.Parse(time.DateOnly, tt.written)
			if err != nil {
				t.Fatal(err)
			}
			return w
		}}
		var got []string
		for text := range strings.SplitSeq(tt.texts, ",") {
			if at, err := r.read(text); err == nil {
				got = append(got, fmt.Sprint(at.Year()))
			} else {
				got = append(got, "error")
			}
		}
		if strings.Join(got, ", ") != tt.wanted {
			t.Errorf("%s, year %d, written %s: %v, want %s", tt.texts, tt.year, tt.written, got, tt.wanted)
		}
	}
}

func TestFormats(t *testing.T) {
	ssh := func(message string) string { return "Nov 23 17:45:56 host sshd[1]: " + message }
	tests := []struct{ line, name, key string }{
		{ssh("Failed password for root from 192.0.2.1 port 22 ssh2"), "sshd.failed_password", "192.0.2.1"},
		{ssh("Failed password for invalid user a from 9.9.9.9 port 1 ssh2 from 192.0.2.1 port 22 ssh2"), "sshd.failed_password", "192.0.2.1"},
		{ssh("Failed publickey for a from 2001:db8::1 port 22 ssh2: RSA SHA256:x"), "sshd.failed_other", "2001:db8::1"},
		{ssh("message repeated 5 times: [ Failed password for root from 192.0.2.1 port 22 ssh2]"), "sshd.failed_password", "192.0.2.1"},
		{ssh("message repeated 5 times: oops"), "sshd.other", ""},
		{ssh("Invalid user  from 192.0.2.1"), "sshd.invalid_user", "192.0.2.1"},
		{ssh("Invalid user a b from 192.0.2.1 port 22"), "sshd.invalid_user", "192.0.2.1"},
		{ssh("Received disconnect from 192.0.2.1 port 22:11: Bye"), "sshd.disconnected", "192.0.2.1"},
		{ssh("error: Received disconnect from 2001:db8::1: 3: from x: y"), "sshd.disconnected", "2001:db8::1"},
		{ssh("Connection closed by authenticating user root 192.0.2.1 port 22 [preauth]"), "sshd.closed", "192.0.2.1"},
		{ssh("Connection closed by 192.0.2.1"), "sshd.closed", "192.0.2.1"},
		{ssh("pam_unix(sshd:auth): authentication failure; ruser= rhost=host.example  user=root"), "sshd.auth_failure", "host.example"},
		{ssh("reverse mapping checking getaddrinfo for x [y] [192.0.2.1] failed - POSSIBLE"), "sshd.reverse_mapping", "192.0.2.1"},
		{"2025-11-23T17:45:56.1+01:00 host sshd-session[1]: fatal: x", "sshd.fatal", ""},
		{"Nov 23 17:45:56 host sshd[x]: Failed password for", "", ""},
		{"Nov 23 17:45:56 host CRON[1]: Failed password for", "", ""},
		{"[Sun Nov 23 17:45:56 2025] [error] x", "apache.error", ""},
		{"[Sun Nov 23 17:45:56 2025] [ssl:trace8] [pid 1:tid 2] [client 192.0.2.1:99] x", "apache.trace8", "192.0.2.1"},
		{"[Sun Nov 23 17:45:56 2025] [error] [client 2001:db8::1] x", "apache.error", "2001:db8::1"},
		{"[Sun Nov 23 17:45:56 2025] [trace9] x", "", ""},
		{`::1 - a b [23/Nov/2025:17:45:56 +0000] "GET / HTTP/1.1" 404 -`, "apache.status.404", "::1"},
		{`::1 - - [23/Nov/2025:17:45:56 +0000] "GET \"/ 500" 404 12 "-" "x"`, "apache.status.404", "::1"},
		{`::1 - - [23/Nov/2025:17:45:56 +0000] "GET / 500 404 12`, "", ""},
		{"", "", ""},
	}
	for _, tt := range tests {
		e, err := newParser(options{year: 2025}, nil).parse(tt.line)
		if tt.name == "" && !errors.Is(err, errNoMatch) || tt.name != "" && (err != nil || e.name != tt.name || e.key != tt.key) {
			t.Errorf("%s: %+v, %v, want %s of %q", tt.line, e, err, tt.name, tt.key)
		}
	}
}

func TestEveryLineIsCountedWithItsReason(t *testing.T) {
	log := strings.Join([]string{
		"2025-03-01 08:00:00 INFO a",
		"",
		"2025-03-01 08:00 INFO a",
		"2025-03-01 08:00:01 INFO " + strings.Repeat("k", maxLine),
		"2025-03-01 08:00:01 INFO \xff",
		"2025-03-01 08:00:01 INFO " + strings.Repeat("k", 5000),
		"2025-03-01 08:00:01 INFO\x00 a",
		"2025-03-01 08:00:02 ERROR b\r",
	}, "\n")
	got := runWith(log, "--once", "--signals", "mem://", "--pattern", `^(?P<time>\S+ \S+) (?P<name>\S+) (?P<key>\S+)`, "-")
	for _, want := range []string{
		"lines 8 = raised 2 + unmatched 6\n", "persisted 2 to",
		"line 2: noMatch: not a line of the format\n", "line 3: badTime: \"2025-03-01 08:00\" fits no layout\n", "line 4: tooLong: longer than 1 MiB\n",
		`line 5: badSignal: name "INFO", key "\xff"`, `line 6: badSignal: name "INFO", key "kkk`,
		"\n  ERROR                               1 ####",
	} {
		if got.code != exitOK || !strings.Contains(got.stdout, want) {
			t.Errorf("exit %d, no %q in\n%s", got.code, want, got.stdout)
		}
	}
}

func TestTooManyNames(t *testing.T) {
	var log strings.Builder
	for i := range maxNames + 3 {
		fmt.Fprintf(&log, "n%d\n", i)
	}
	got := jsonWith(t, log.String(), "mem://", "--once", "--pattern", `^(?P<name>\w+)`, "-")
	if got.Raised != maxNames || got.UnmatchedBy["tooManyNames"] != 3 || len(got.ByName) != maxNames || got.Persisted != maxNames {
		t.Errorf("raised %d, unmatched %v, %d names", got.Raised, got.UnmatchedBy, len(got.ByName))
	}
}

func TestClockOfALog(t *testing.T) {
	wall := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	line := time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, running := range []bool{false, true} {
		now := wall
		c := logClock{running: running, wall: func() time.Time { return now }}
		if !c.now().Equal(wall) {
			t.Error("before the first line the wall's time is the best there is")
		}
		c.observe(line)
		now = now.Add(time.Minute)
		c.observe(line.Add(-time.Hour)) // late lines do not turn it back
		want := line
		if running {
			want = line.Add(time.Minute)
		}
		if got := c.now(); !got.Equal(want) {
			t.Errorf("running %v: %v, want %v", running, got, want)
		}
	}
}
