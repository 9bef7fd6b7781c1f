package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/ephemera-go/ephemera/examples/internal/program"
)

func TestMain(m *testing.M) { program.Main(m, main) }

// figures are printed when at least one snapshot was taken.
const figures = `(?m)^appended [1-9]\d*, discarded \d+, in memory \d+; [1-9]\d* snapshots of \d+ bytes, \d+ events at risk, 0 failures$`

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestDefectD37_SnapshotSensors: the program prints figures by itself, saves everything at SIGTERM, and begins with exactly that.
func TestDefectD37_SnapshotSensors(t *testing.T) {
	dir := t.TempDir()
	for name, url := range map[string]string{
		"files": "file://" + filepath.ToSlash(filepath.Join(dir, "files")), "sqlite": "sqlite://" + filepath.ToSlash(filepath.Join(dir, "sensors.db")),
	} {
		t.Run(name, func(t *testing.T) {
			saved := 0
			for run := range 3 {
				p := program.Start(t, "--snapshots", url, "--rate", "20000", "--capacity", "5000", "--snapshot-interval", "20ms", "--every", "20ms")
				if restored := number(t, p.Wait(t, `^restored (\d+) events from `)); restored != saved {
					t.Errorf("run %d: restored %d events, %d were saved", run, restored, saved)
				}
				p.Wait(t, figures)
				p.Signal(t, syscall.SIGTERM)
				got := p.End(t)
				if got.Code != exitOK {
					t.Fatalf("%+v", got)
				}
				p.Wait(t, ` 0 events at risk, [01] failures\nsaved `) // SIGTERM may have cut the one before short
				saved = number(t, p.Wait(t, `(?m)^saved (\d+) events in snapshot \d+$`))
				if saved == 0 || saved > 5000 {
					t.Errorf("run %d: %d events saved", run, saved)
				}
			}
		})
	}
}

// TestCrash: behind SIGKILL the newest snapshot comes back, and the program says that something may be missing.
func TestCrash(t *testing.T) {
	url := "file://" + filepath.ToSlash(t.TempDir())
	p := program.Start(t, "--snapshots", url, "--snapshot-interval", "20ms", "--every", "20ms")
	p.Wait(t, `; ([2-9]|\d\d+) snapshots`) // the first one may be of an empty store
	p.Signal(t, os.Kill)
	p.End(t)
	got := program.Run(t, "--snapshots", url, "--for", "20ms")
	if got.Code != exitOK || strings.HasPrefix(got.Stdout, "restored 0 ") || !strings.Contains(got.Stdout, "it is not final, so a new epoch begins") {
		t.Errorf("%+v", got)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	url := "file://" + filepath.ToSlash(t.TempDir())
	p := program.Start(t, "--snapshots", url)
	p.Wait(t, "restored 0 events")
	if got := program.Run(t, "--snapshots", url); got.Code != exitHeld || !strings.Contains(got.Stderr, "snapshot-sensors") {
		t.Errorf("%+v", got)
	}
	p.Signal(t, os.Interrupt)
	if got := p.End(t); got.Code != exitOK {
		t.Errorf("%+v", got)
	}
}

// TestPlaceIsGone: what cannot be saved is told, and is the exit code.
func TestPlaceIsGone(t *testing.T) {
	place := filepath.Join(t.TempDir(), "snapshots")
	p := program.Start(t, "--snapshots", "file://"+filepath.ToSlash(place), "--every", "20ms")
	p.Wait(t, `(?m)^appended [1-9]`)
	if err := os.Rename(place, place+".gone"); err != nil {
		t.Fatal(err)
	}
	p.Signal(t, syscall.SIGTERM)
	if got := p.End(t); got.Code != exitUnsaved || !strings.Contains(got.Stdout, "not saved: ") || strings.Contains(got.Stdout, "\nsaved ") {
		t.Errorf("%+v", got)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"--rates", "1"}, {"now"}, {"--rate", "0"}, {"--devices", "0"}, {"--capacity", "1"}, {"--snapshot-interval", "0s"}, {"--snapshot-events", "0"}} {
		if got := program.Run(t, args...); got.Code != exitUsage || !strings.HasSuffix(got.Stderr, "(--help shows how)\n") {
			t.Errorf("%q: %+v", args, got)
		}
	}
	if got := program.Run(t, "--snapshots", "redis://x"); got.Code != exitFailed || !strings.Contains(got.Stderr, "no driver for scheme") {
		t.Errorf("%+v", got)
	}
	if got := program.Run(t, "--help"); got.Code != exitOK || got.Stdout != usage {
		t.Errorf("help: %+v", got)
	}
}

// TestReadme compares the shape of what README.md shows with what comes out.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	varies := regexp.MustCompile(`[\d.]+m?s\b|\d+|file:\S+`)
	shape := func(text string) string { return varies.ReplaceAllString(text, "0") }
	url := "file://" + filepath.ToSlash(t.TempDir())
	for range 2 {
		got := program.Run(t, "--snapshots", url, "--for", "50ms", "--every", "20ms")
		for line := range strings.Lines(got.Stdout) {
			if want := "    " + shape(line); !strings.Contains(shape(string(text)), want) {
				t.Errorf("README.md does not show %q", line)
			}
		}
	}
}
