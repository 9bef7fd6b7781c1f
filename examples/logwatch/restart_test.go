package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

func TestRestartReportsWhatWasRestored(t *testing.T) {
	for _, signals := range []string{sqliteIn(t), "file://" + filepath.ToSlash(t.TempDir())} {
		first := jsonOf(t, signals, "--once", "--sense", "sshd.failed_*", "testdata/openssh.log")
		if first.Restored != 0 || first.Raised == 0 || first.Sensed == 0 || first.Persisted != first.Raised {
			t.Fatalf("%s: first run %+v", signals, first)
		}
		for _, mode := range []string{"--once", "--json"} {
			again := jsonOf(t, signals, mode, "--sense", "sshd.failed_*", "-") // no line at all
			if again.Restored != int(first.Raised) || !maps.Equal(again.RestoredByName, first.ByName) ||
				again.RestoredSensed != int(first.Sensed) || again.Lines+again.Raised+again.Sensed+again.Persisted != 0 {
				t.Errorf("%s: after a restart %+v", signals, again)
			}
		}
		// A second run on the same log counts the same, and its signals are new ones.
		second := jsonOf(t, signals, "--once", "--sense", "sshd.failed_*", "testdata/openssh.log")
		if second.Restored != int(first.Raised) || !maps.Equal(second.ByName, first.ByName) || second.Sensed != first.Sensed ||
			second.Persisted != first.Persisted || second.Rates[0] != first.Rates[0] || second.Bursts.Detected != first.Bursts.Detected {
			t.Errorf("%s: second run %+v, first %+v", signals, second, first)
		}
		if n := keptSignals(t, signals); n != 2*first.Raised {
			t.Errorf("%s: %d signals are kept, want twice %d", signals, n, first.Raised)
		}
	}
}

func TestCapacityBoundsWhatIsRestored(t *testing.T) {
	signals := sqliteIn(t)
	first := jsonOf(t, signals, "--once", "testdata/openssh.log")
	got := jsonOf(t, signals, "--capacity", "10", "-")
	if got.Restored != 10 || !got.RestoredMore {
		t.Errorf("restored %d, more %v", got.Restored, got.RestoredMore)
	}
	// A window smaller than the log loses none of it.
	got = jsonOf(t, signals, "--capacity", "1", "testdata/openssh.log")
	if got.Raised != first.Raised || got.Sensed != first.Sensed || got.Persisted != first.Raised || len(got.Matches) != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestOneLogwatchAtATime(t *testing.T) {
	signals := sqliteIn(t)
	store, err := sinks.OpenSignals(t.Context(), signals)
	if err != nil {
		t.Fatal(err)
	}
	lease, err := sinks.Hold(t.Context(), store, sinks.Claim{Owner: "somebody else"})
	if err != nil {
		t.Fatal(err)
	}
	got := runWith("", "--once", "--signals", signals, "testdata/openssh.log")
	if got.code != exitFailed || !strings.Contains(got.stderr, "somebody else") || !strings.Contains(got.stderr, "--signals") {
		t.Errorf("got %+v", got)
	}
	if err := lease.Close(); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if n := keptSignals(t, signals); n != 0 {
		t.Errorf("%d signals were written beside the holder", n)
	}
}

// stopper ends a run when it has printed a text.
type stopper struct {
	strings.Builder
	after string
	stop  context.CancelFunc
}

func (s *stopper) Write(p []byte) (int, error) {
	n, err := s.Builder.Write(p)
	if strings.Contains(s.String(), s.after) {
		s.stop()
	}
	return n, err
}

// The input has not ended, and nothing more comes: an interrupt must not wait for it.
func TestInterruptOfAPipe(t *testing.T) {
	o, err := parseFlags([]string{"--signals", "mem://", "--format", "apache", "-"})
	if err != nil {
		t.Fatal(err)
	}
	in, feed := io.Pipe()
	defer func() { _ = feed.Close() }()
	go func() {
		_, _ = io.WriteString(feed, "[Sat Mar 01 08:00:30 2025] [error] on\x1b[31mfire\n[Sat Mar 01 08:00:31 2025] [err")
	}()
	ctx, cancel := context.WithCancel(t.Context())
	out := &stopper{after: "fire", stop: cancel}
	if err := watch(ctx, o, in, out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"apache.error    | [Sat Mar 01 08:00:30 2025] [error] on\ufffd[31mfire\n", "stopped early, after 1 lines\n", "persisted 1 to mem://\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestInterruptBeforeTheStoreIsOpen(t *testing.T) {
	o, err := parseFlags([]string{"--signals", "mem://", "--once", "testdata/openssh.log"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := watch(ctx, o, nil, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// A disk that is full: the report says what was not kept, and the command fails.
func TestFullStore(t *testing.T) {
	var log strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&log, "2025-03-01 08:00:00 INFO %0200d\n", i)
	}
	for _, mode := range []string{"--once", "--capacity=1000"} {
		got := runWith(log.String(), mode, "--json", "--pattern", appPattern, "--signals", sqliteIn(t)+"?max_size=1MiB", "-")
		var r report
		if err := json.Unmarshal([]byte(got.stdout), &r); err != nil {
			t.Fatal(err)
		}
		if got.code != exitFailed || !strings.Contains(got.stderr, "full") {
			t.Errorf("exit %d, %s", got.code, got.stderr)
		}
		said := strings.Split(strings.TrimPrefix(got.stderr, "logwatch: "), "\n")
		slices.Sort(said)
		if len(slices.Compact(slices.Clone(said))) != len(said) {
			t.Errorf("said twice: %s", got.stderr)
		}
		if r.Lines != 20_000 || r.Raised != 20_000 || r.Persisted == 0 || r.Pending == 0 || r.Persisted+r.Pending+r.Dropped != r.Raised {
			t.Errorf("got %+v", r)
		}
	}
}

const asCommand = "LOGWATCH_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Exit(m.Run())
}

// A real process, ended by SIGTERM while it follows, has written every line, whether it was finished or not.
func TestTerminationKeepsEverything(t *testing.T) {
	folder := t.TempDir()
	log := filepath.Join(folder, "app.log")
	if err := os.WriteFile(log, []byte("2025-03-01 08:00:00 INFO a\n2025-03-01 08:00:01 INFO b\nunfinished"), 0o600); err != nil {
		t.Fatal(err)
	}
	signals := "sqlite://" + filepath.ToSlash(filepath.Join(folder, "signals.db"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "--follow", "--signals", signals, "--pattern", appPattern, log)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	buf := make([]byte, 4096)
	told := false
	for {
		n, err := out.Read(buf)
		text.Write(buf[:n])
		if !told && strings.Contains(text.String(), "INFO  b  | 2025-03-01 08:00:01 INFO b\n") {
			told = true
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		}
		if err != nil {
			break
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("exit: %v", err)
	}
	for _, want := range []string{
		"restored 0 signals of earlier runs", "lines 3 = raised 2 + unmatched 1\n", "persisted 2 to sqlite://", "line 3: noMatch: not a line of the format\n",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, &text)
		}
	}
	if n := keptSignals(t, signals); n != 2 {
		t.Errorf("%d signals are kept", n)
	}
}
