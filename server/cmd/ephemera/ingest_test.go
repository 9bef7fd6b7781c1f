package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ephemera-go/ephemera/streams"
)

// TestIngestRealLogs: as many events as lines, and no line of an unknown form.
func TestIngestRealLogs(t *testing.T) {
	dir := os.Getenv("EPHEMERA_TESTDATA")
	if dir == "" {
		t.Skip("EPHEMERA_TESTDATA names no folder with sample data")
	}
	r := serve(t, t.TempDir())
	for _, name := range []string{"Apache_2k.log", "OpenSSH_2k.log"} {
		file := filepath.Join(dir, name)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := bytes.Count(text, []byte("\n")) // as wc -l counts
		if !bytes.HasSuffix(text, []byte("\n")) {
			lines++ // the last one has no end
		}
		for _, want := range []struct{ stored, present int }{{lines, 0}, {0, lines}} {
			var got struct{ Stored, Present, Unparsed, Bad, Version int }
			out := ok(t, "ingest", name, file, "--json", "--url="+r.url)
			if err := json.Unmarshal([]byte(out), &got); err != nil {
				t.Fatal(err)
			}
			if got.Stored != want.stored || got.Present != want.present || got.Unparsed != 0 || got.Bad != 0 {
				t.Errorf("%s: %+v, want %+v", name, got, want)
			}
		}
		var info struct{ Version, Events int }
		if r.want(200, &info, "GET", "/streams/"+name+"?info=true", ""); info.Version != lines || info.Events != lines {
			t.Errorf("%s: %+v, want %d", name, info, lines)
		}
	}
}

// TestIngestEveryFile: of every file of the sample data each line is an event, except those that are too long for one, which are
// counted with --skip-bad and named without.
func TestIngestEveryFile(t *testing.T) {
	dir := os.Getenv("EPHEMERA_TESTDATA")
	if dir == "" {
		t.Skip("EPHEMERA_TESTDATA names no folder with sample data")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) == 0 {
		t.Fatal(err)
	}
	r := serve(t, t.TempDir())
	for _, entry := range entries {
		name, file := entry.Name(), filepath.Join(dir, entry.Name())
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines, long := 0, 0
		for line := range bytes.Lines(text) { // as wc -l counts, and one more if the last has no end
			if lines++; len(bytes.TrimRight(line, "\r\n")) > streams.MaxDataBytes/2 {
				long++
			}
		}
		var got struct{ Stored, Bad, Version int }
		out := ok(t, "ingest", name, file, "--skip-bad", "--json", "--url="+r.url)
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatal(err)
		}
		if got.Stored+got.Bad != lines || got.Bad != long {
			t.Errorf("%s: %+v, want %d lines, %d of them too long", name, got, lines, long)
		}
		var info struct{ Version, Events int }
		if r.want(200, &info, "GET", "/streams/"+name+"?info=true", ""); info.Version != lines-long || info.Events != lines-long {
			t.Errorf("%s: %+v, want %d", name, info, lines-long)
		}
		if long == 0 {
			continue
		}
		if code, _, text := once(t, "ingest", name+"/again", file, "--url="+r.url); code != 1 || !strings.Contains(text, "line 1: ") {
			t.Errorf("%s: exit code %d: %s", name, code, text)
		}
	}
}

func TestIngestFollowsAndResumes(t *testing.T) {
	dir := t.TempDir()
	r := serve(t, dir)
	file := write(t, "n.ndjson", "{\"n\":1}\n{\"n\":2}\n")
	args := []string{"ingest", "n", file, "--follow", "--url=" + r.url}
	follow := run(t, args...)
	tail := run(t, "tail", "n", "--url="+r.url)
	tail.out.wait(t, `n 2 `, tail.over)
	follow.signals <- syscall.SIGINT
	if code := follow.end(); code != 0 || !strings.Contains(follow.out.String(), "2 events stored") {
		t.Fatalf("exit code %d: %s%s", code, follow.out, follow.err)
	}
	if err := os.WriteFile(file, []byte("{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tail.signals <- syscall.SIGINT
	tail.end()
	r.stop()
	r = serve(t, dir) // ids come back with the events
	if out := ok(t, "ingest", "n", file, "--url="+r.url); !strings.HasPrefix(out, "n: 1 events stored, 2 were there") {
		t.Errorf("%q", out)
	}
	if out := ok(t, "ingest", "n", file, "--url="+r.url); !strings.HasPrefix(out, "n: 0 events stored, 3 were there") ||
		!strings.HasSuffix(out, "; version 3\n") {
		t.Errorf("%q", out)
	}
	bad := write(t, "bad.ndjson", "1\nword\n")
	if code, out, text := once(t, "ingest", "b", bad, "--url="+r.url); code != 1 || !strings.Contains(text, "line 2") || !strings.Contains(out, "1 events stored") {
		t.Errorf("exit code %d: %s%s", code, out, text)
	}
	if code, out, text := once(t, "ingest", "b", "/no/such/file", "--url="+r.url); code != 1 || out != "" || !strings.Contains(text, "/no/such/file") {
		t.Errorf("exit code %d: %s%s", code, out, text)
	}
	if code, _, text := once(t, "ingest", "b", bad, "--batch=0", "--url="+r.url); code != 2 || !strings.Contains(text, "--batch") {
		t.Errorf("exit code %d: %s", code, text)
	}
}
