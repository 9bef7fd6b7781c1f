package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// bundleOf renders small at a day.
func bundleOf(t *testing.T, day string) *bundle {
	t.Helper()
	b, err := small().render("results.txt", []byte(strings.Replace(sixRounds(), "2026-01-02", day, 1)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// standing fails unless the report in dir is that of b, with all its files.
func standing(t *testing.T, dir string, b *bundle) {
	t.Helper()
	got, err := os.ReadFile(filepath.Join(dir, reportFile))
	if err != nil || string(got) != string(b.report) {
		t.Errorf("the report is another one: %v", err)
	}
	if !b.isWhole(filepath.Join(dir, filesDir, b.id)) {
		t.Error("files of the report are missing")
	}
}

// Step by step: until the report itself is replaced the old one stands with its files, and then the new one.
func TestPublishNeverLeavesHalfAReport(t *testing.T) {
	dir := t.TempDir()
	parent := filepath.Join(dir, filesDir)
	old, next := bundleOf(t, "2026-01-02"), bundleOf(t, "2026-01-03")
	if err := old.publish(dir); err != nil {
		t.Fatal(err)
	}
	standing(t, dir, old)
	for name, content := range map[string]string{newPrefix + "left": "", "mine.txt": "x", "2026-01-02-short/f": "y"} {
		path := filepath.Join(parent, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := next.writeFolder(parent); err != nil { // and then the power fails
		t.Fatal(err)
	}
	standing(t, dir, old)
	if err := next.publish(dir); err != nil {
		t.Fatal(err)
	}
	standing(t, dir, next)
	entries, err := os.ReadDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if got := strings.Join(names, " "); got != "2026-01-02-short "+next.id+" mine.txt" {
		t.Errorf("the folder has %s", got)
	}
}

func TestPublishThatFailsChangesNothing(t *testing.T) {
	dir := t.TempDir()
	// A folder in the place of the report cannot be replaced by a file.
	if err := os.MkdirAll(filepath.Join(dir, reportFile, "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, filesDir, "2026-01-01-0123abcd")
	if err := os.MkdirAll(other, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := bundleOf(t, "2026-01-02").publish(dir); err == nil {
		t.Fatal("no error")
	}
	if _, err := os.Stat(other); err != nil {
		t.Errorf("the files of the old report are gone: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, filesDir, newPrefix+"*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// Publishing the same again changes nothing; a file that somebody has changed is put right.
func TestPublishAgain(t *testing.T) {
	dir := t.TempDir()
	b := bundleOf(t, "2026-01-02")
	for range 2 {
		if err := b.publish(dir); err != nil {
			t.Fatal(err)
		}
		standing(t, dir, b)
	}
	if err := os.WriteFile(filepath.Join(dir, filesDir, b.id, rawFile), []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := b.publish(dir); err != nil {
		t.Fatal(err)
	}
	standing(t, dir, b)
}
