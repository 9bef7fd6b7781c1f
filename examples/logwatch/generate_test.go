package main

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the files of testdata anew")

// The shipped logs are invented; their addresses are those reserved for documentation. Each crosses a new year or holds
// something else that a parser may stumble over.
var shippedLogs = map[string]func(*rand.Rand) string{
	"openssh.log":       openSSHLog,
	"apache_error.log":  apacheErrorLog,
	"apache_access.log": apacheAccessLog,
	"app.log":           appLog,
}

func generate(name string) string {
	return shippedLogs[name](rand.New(rand.NewPCG(1, uint64(len(name)))))
}

func TestShippedLogsAreGenerated(t *testing.T) {
	for name := range shippedLogs {
		compareFile(t, name, generate(name))
	}
}

// compareFile compares with a file of testdata, or writes it.
func compareFile(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, []byte(got)) {
		t.Errorf("%s differs; if that is meant, run go test -update\n%s", path, got)
	}
}

func address(r *rand.Rand) string { return fmt.Sprint("192.0.2.", 1+r.IntN(9)) }

// openSSHLog begins on the last day of a year, without saying of which.
func openSSHLog(r *rand.Rand) string {
	messages := []func() string{
		func() string {
			return fmt.Sprintf("Failed password for invalid user guest from %s port %d ssh2", address(r), 1024+r.IntN(60000))
		},
		func() string {
			return fmt.Sprintf("Failed password for root from %s port %d ssh2", address(r), 1024+r.IntN(60000))
		},
		func() string { return fmt.Sprintf("Failed none for invalid user x from %s port 22 ssh2", address(r)) },
		func() string {
			return fmt.Sprintf("message repeated 2 times: [ Failed password for root from %s port 22 ssh2]", address(r))
		},
		func() string { return "Invalid user  from " + address(r) },
		func() string { return "Invalid user Failed password for root from " + address(r) },
		func() string { return "input_userauth_request: invalid user guest [preauth]" },
		func() string {
			return "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=" + address(r) + "  user=root"
		},
		func() string { return "pam_unix(sshd:auth): check pass; user unknown" },
		func() string { return "PAM 2 more authentication failures; logname= uid=0 rhost=" + address(r) },
		func() string { return "PAM service(sshd) ignoring max retries; 6 > 3" },
		func() string { return "Received disconnect from " + address(r) + ": 11: Bye Bye [preauth]" },
		func() string { return "error: Received disconnect from 2001:db8::1: 3: Auth fail [preauth]" },
		func() string { return "Connection closed by " + address(r) + " [preauth]" },
		func() string { return "Connection reset by " + address(r) + " port 4022" },
		func() string { return "Disconnecting: Too many authentication failures for root [preauth]" },
		func() string { return "Did not receive identification string from " + address(r) },
		func() string {
			return "reverse mapping checking getaddrinfo for host.example [" + address(r) + "] failed - POSSIBLE BREAK-IN ATTEMPT!"
		},
		func() string {
			return "Accepted publickey for ann from " + address(r) + " port 4022 ssh2: RSA SHA256:x"
		},
		func() string { return "pam_unix(sshd:session): session opened for user ann by (uid=0)" },
		func() string { return "pam_unix(sshd:session): session closed for user ann" },
		func() string { return "fatal: Write failed: Connection reset by peer [preauth]" },
		func() string { return "error: kex_exchange_identification: Connection closed by remote host" },
		func() string { return "Server listening on 0.0.0.0 port 22." },
	}
	var b strings.Builder
	at := time.Date(2024, time.December, 31, 23, 50, 0, 0, time.UTC)
	for i := range 200 {
		at = at.Add(time.Duration(r.IntN(8)) * time.Second)
		if i%17 == 16 {
			fmt.Fprintf(&b, "%s gate CRON[7]: pam_unix(cron:session): session opened for user root\r\n", at.Format("Jan _2 15:04:05"))
			continue
		}
		m := messages[min(i, r.IntN(i+1))%len(messages)]
		if i%3 == 0 {
			m = messages[i/3%2]
		}
		fmt.Fprintf(&b, "%s gate sshd[%d]: %s\r\n", at.Format("Jan _2 15:04:05"), 100+i, m())
	}
	return strings.TrimSuffix(b.String(), "\r\n") // the last line of a log may be unfinished
}

func apacheErrorLog(r *rand.Rand) string {
	levels := []string{"error", "notice", "notice", "warn", "core:error", "ssl:info", "nonsense"}
	var b strings.Builder
	at := time.Date(2025, time.March, 1, 8, 0, 0, 0, time.UTC)
	for i := range 120 {
		at = at.Add(time.Duration(r.IntN(20_000)) * time.Millisecond)
		layout := "Mon Jan 02 15:04:05 2006"
		if i%2 == 0 {
			layout = "Mon Jan 02 15:04:05.000000 2006"
		}
		client := ""
		switch i % 3 {
		case 1:
			client = "[client " + address(r) + "] "
		case 2:
			client = "[pid 12:tid 34] [client " + address(r) + ":5678] "
		}
		fmt.Fprintf(&b, "[%s] [%s] %smessage [error] %d\n", at.Format(layout), levels[r.IntN(len(levels))], client, i)
	}
	return b.String()
}

func apacheAccessLog(r *rand.Rand) string {
	codes := []int{200, 200, 200, 304, 404, 500, 503}
	var b strings.Builder
	at := time.Date(2025, time.March, 1, 8, 0, 0, 0, time.FixedZone("", 2*3600))
	for i := range 120 {
		at = at.Add(time.Duration(r.IntN(4)) * time.Second)
		code := codes[r.IntN(len(codes))]
		fmt.Fprintf(&b, `%s - - [%s] "GET /%d?q=\"404 HTTP/1.1" %d %d`, address(r), at.Format("02/Jan/2006:15:04:05 -0700"), i, code, r.IntN(9999))
		if i%2 == 0 {
			b.WriteString(` "-" "agent \"500\""`)
		}
		b.WriteString("\n")
		if i%40 == 39 {
			b.WriteString("\n\"GET / HTTP/1.1\" 200 1\n")
		}
	}
	return b.String()
}

// appLog is for a pattern; some of its lines are late, and some of its times are none.
func appLog(r *rand.Rand) string {
	names := []string{"INFO", "INFO", "WARN", "ERROR"}
	var b strings.Builder
	at := time.Date(2025, time.March, 1, 8, 0, 0, 0, time.UTC)
	for i := range 120 {
		at = at.Add(time.Duration(r.IntN(3000)) * time.Millisecond)
		when := at.Add(-time.Duration(r.IntN(2)) * 1500 * time.Millisecond).Format("2006-01-02 15:04:05.000")
		if i%30 == 29 {
			when = "2025-02-30 08:00:00"
		}
		fmt.Fprintf(&b, "%s %s job-%d done\n", when, names[r.IntN(len(names))], r.IntN(5))
		if i%50 == 49 {
			b.WriteString("\tat some.stack.trace\n")
		}
	}
	return b.String()
}
