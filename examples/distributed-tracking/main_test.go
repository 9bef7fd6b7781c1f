package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ephemera-go/ephemera/examples/internal/program"
	"github.com/ephemera-go/ephemera/window"
)

func TestMain(m *testing.M) { program.Main(m, main) }

// look runs the view.
func look(t *testing.T, dir string, flags ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := run(slices.Concat([]string{"--dir", dir}, flags, []string{"view"}), &stdout, &stderr); code != 0 {
		t.Fatalf("exit %d: %s", code, &stderr)
	}
	return stdout.String()
}

// row returns what the view says of a hub.
func row(t *testing.T, text, hub string) (scans, starts, crashes int, state string) {
	t.Helper()
	m := regexp.MustCompile(`(?m)^` + hub + ` +(\d+) +(\d+) +(\d+)  #\d+ [0-9:.]+, (.*)$`).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no hub %s in\n%s", hub, text)
	}
	for i, n := range []*int{&scans, &starts, &crashes} {
		var err error
		if *n, err = strconv.Atoi(m[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	return scans, starts, crashes, m[4]
}

// merged returns the lines of the merged signals, which must be in the order of time.
func merged(t *testing.T, text string) []string {
	t.Helper()
	_, list, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(strings.TrimSpace(list), "\n")[1:]
	inOrder := slices.IsSortedFunc(lines, func(a, b string) int {
		if a[:3] == "00:" && b[:3] == "23:" { // midnight lies between them
			return 1
		}
		return strings.Compare(a[:12], b[:12])
	})
	if !inOrder {
		t.Errorf("not in order:\n%s", text)
	}
	return lines
}

func TestDemo(t *testing.T) {
	dir := t.TempDir()
	r := program.Run(t, "--dir", dir, "--every", "5ms", "--parcels", "40", "--newest", "10000", "demo")
	if r.Code != 0 || r.Stderr != "" || !strings.HasPrefix(r.Stdout, "west is up\nnorth is up\nsouth is up\nkill -9 west\nwest is up\n") {
		t.Fatalf("exit %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	total := 0
	for hub, crashed := range map[string]int{"north": 0, "south": 0, "west": 1} {
		scans, starts, crashes, state := row(t, r.Stdout, hub)
		if scans < 40 || crashed == 0 && scans != 40 || starts != 1+crashed || crashes != crashed || state != "stopped" {
			t.Errorf("%s:\n%s", hub, r.Stdout)
		}
		total += scans + starts + 1
	}
	if lines := merged(t, r.Stdout); len(lines) != total {
		t.Errorf("%d lines, want %d:\n%s", len(lines), total, r.Stdout)
	}
	one := merged(t, look(t, dir, "--parcel", "P-0040"))
	for _, hub := range []string{"north", "south", "west"} {
		if !slices.ContainsFunc(one, func(line string) bool { return strings.Fields(line)[1] == hub }) {
			t.Errorf("the last parcel was not seen by %s:\n%s", hub, strings.Join(one, "\n"))
		}
	}
}

// A hub that is killed and comes back is seen, by the view and in the counts; the other one does not notice.
func TestKilledHubIsSeen(t *testing.T) {
	dir := t.TempDir()
	hub := func(name string) *program.Process {
		p := program.Start(t, "--dir", dir, "--parcels", "1000000", "--every", "1ms", "hub", name)
		p.Wait(t, name+" is up\n")
		return p
	}
	a, b := hub("a"), hub("b")
	until := time.Now().Add(30 * time.Second)
	scans := func(name string) int {
		n, _, _, state := row(t, look(t, dir), name)
		if time.Now().After(until) || state == "stopped" {
			t.Fatal("the hub does not get on")
		}
		return n
	}
	for scans("a") == 0 {
	}
	a.Signal(t, os.Kill)
	a.End(t)
	before := scans("a")
	second := program.Run(t, "--dir", dir, "--parcels", "7", "--every", "1ms", "hub", "a")
	if second.Code != 0 || second.Stdout != "a is up\na scanned 7 parcels\n" {
		t.Fatalf("%+v", second)
	}
	if n, starts, crashes, state := row(t, look(t, dir), "a"); n != before+7 || starts != 2 || crashes != 1 || state != "stopped" {
		t.Errorf("%d scans behind %d, %d starts, %d crashes, %s", n, before, starts, crashes, state)
	}
	b.Signal(t, syscall.SIGTERM)
	r := b.End(t)
	n, starts, crashes, state := row(t, look(t, dir), "b")
	if r.Code != 0 || r.Stdout != fmt.Sprintf("b is up\nb scanned %d parcels\n", n) || starts != 1 || crashes != 0 || state != "stopped" {
		t.Errorf("%+v: %d scans, %d starts, %d crashes, %s", r, n, starts, crashes, state)
	}
}

func TestInOrder(t *testing.T) {
	at := func(hub string, ms int, sequence uint64) sighting {
		return sighting{hub, window.Signal{Time: time.UnixMilli(int64(ms)), Sequence: sequence}}
	}
	all := []sighting{at("a", 5, 1), at("a", 7, 2), at("a", 7, 3), at("b", 5, 1), at("b", 6, 2), at("b", 7, 3)}
	var got []string
	for _, s := range inOrder(all) {
		got = append(got, fmt.Sprint(s.hub, s.Sequence))
	}
	if diff := cmp.Diff([]string{"a1", "b1", "b2", "a2", "a3", "b3"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestWhatGoesWrong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"", 2, `want demo, hub NAME or view, got ""`},
		{"--nonsense view", 2, "-nonsense (--help shows how)"},
		{"hub", 2, "hub takes 1 words, got 0"},
		{"view --dir x", 2, "flags come first"},
		{"hub ../x", 2, `hub "../x": a name is`},
		{"hub --name", 2, `hub "--name": a name is`},
		{"--every 0s demo", 2, "--every above 0"},
		{"--dir nowhere view", 1, "nowhere: no such file"},
		{"--dir . view", 1, "no hub has been in . yet"},
		{"--dir " + file + " hub a", 1, "is no directory"},
		{"--dir " + file + " demo", 1, "hub west does not start"},
	} {
		r := program.Run(t, strings.Fields(c.args)...)
		if r.Code != c.code || !strings.Contains(r.Stderr, c.want) || r.Stdout != "" {
			t.Errorf("%s: %+v", c.args, r)
		}
	}
	for _, args := range [][]string{{"--help"}, {"hub", "--help"}, {"view", "-h"}} {
		if r := program.Run(t, args...); r.Code != 0 || r.Stdout != usage {
			t.Errorf("%v: %+v", args, r)
		}
	}
	dir := t.TempDir()
	p := program.Start(t, "--dir", dir, "--parcels", "1000000", "hub", "a")
	p.Wait(t, "a is up\n")
	if r := program.Run(t, "--dir", dir, "hub", "a"); r.Code != 1 || !strings.Contains(r.Stderr, "leased to another writer") {
		t.Errorf("a second hub of the name: %+v", r)
	}
}
