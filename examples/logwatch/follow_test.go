package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A script follows a file step by step: each step changes the folder while the follower waits.
type script struct {
	t    *testing.T
	path string
	got  []string
}

func (s *script) appendTo(path, text string) {
	s.t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		s.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *script) write(text string) { s.appendTo(s.path, text) }

func (s *script) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// run does a step each time the follower waits, and stops it with the last one.
func (s *script) run(steps ...func()) error {
	f, err := openFollower(s.path)
	if err != nil {
		return err
	}
	defer func() { _ = f.close() }()
	f.wait = func(context.Context) error {
		if len(steps) == 0 {
			return errors.New("the script is over")
		}
		steps[0]()
		steps = steps[1:]
		return nil
	}
	return f.run(s.t.Context(), func(lines []line) bool {
		for _, l := range lines {
			s.got = append(s.got, l.text)
		}
		return true
	})
}

func TestFollow(t *testing.T) {
	nothing := func() {}
	tests := []struct {
		name  string
		steps func(s *script) []func()
		want  []string
	}{
		{"appended lines, in parts", func(s *script) []func() {
			return []func(){
				func() { s.write("two\nth") }, func() { s.write("ree") }, func() { s.write("\n") }, func() { s.write("four") },
			}
		}, []string{"one", "two", "three", "four"}},
		{"rotation, the writer comes over late", func(s *script) []func() {
			return []func(){
				func() { s.must(os.Rename(s.path, s.path+".1")); s.write("new\n") },
				func() { s.appendTo(s.path+".1", "late\nlater") },
				func() { s.write("newer\n") },
			}
		}, []string{"one", "late", "later", "new", "newer"}},
		{"rotation, no new file for some time", func(s *script) []func() {
			return []func(){
				func() { s.must(os.Rename(s.path, s.path+".1")) }, func() { s.appendTo(s.path+".1", "late\n") }, nothing,
				func() { s.write("new\n") }, nothing,
			}
		}, []string{"one", "late", "new"}},
		{"the file is removed", func(s *script) []func() {
			return []func(){func() { s.must(os.Remove(s.path)) }, nothing, nothing}
		}, []string{"one"}},
		{"two rotations", func(s *script) []func() {
			return []func(){
				func() { s.must(os.Rename(s.path, s.path+".1")); s.write("two\n") }, nothing,
				func() { s.must(os.Rename(s.path, s.path+".2")); s.write("three\n") }, nothing,
			}
		}, []string{"one", "two", "three"}},
		{"rotation just before the end", func(s *script) []func() {
			return []func(){func() { s.must(os.Rename(s.path, s.path+".1")); s.write("new") }}
		}, []string{"one", "new"}},
		{"truncation", func(s *script) []func() {
			return []func(){
				func() { s.write("cut off") },
				func() { s.must(os.Truncate(s.path, 0)) },
				func() { s.write("two\n") },
				func() { s.must(os.Truncate(s.path, 0)); s.write("3\n") },
			}
		}, []string{"one", "cut off", "two", "3"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &script{t: t, path: filepath.Join(t.TempDir(), "log")}
			s.write("one\n")
			if err := s.run(tt.steps(s)...); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, s.got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// An interrupt while the file is still being read for the first time stops there, without half a line.
func TestFollowStopsBeforeItCaughtUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte("one\ntwo"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := openFollower(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.close() }()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.run(ctx, func([]line) bool { t.Error("a line"); return true }); err != nil {
		t.Error(err)
	}
}

func TestSplitter(t *testing.T) {
	long := string(make([]byte, maxLine))
	tests := []struct {
		name  string
		parts []string
		want  []line
	}{
		{"nothing", []string{"", ""}, nil},
		{"ends of lines", []string{"a\r\nb\n\n", "\r\n"}, []line{{"a", false}, {"b", false}, {"", false}, {"", false}}},
		{"a CR inside", []string{"a\rb\n"}, []line{{"a\rb", false}}},
		{"no end", []string{"a\nb", "c"}, []line{{"a", false}, {"bc", false}}},
		{"as long as allowed", []string{long, "\nx"}, []line{{long, false}, {"x", false}}},
		{"too long", []string{long, "y\nx", "\n"}, []line{{"", true}, {"x", false}}},
		{"too long without end", []string{"y", long, "y"}, []line{{"", true}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var s splitter
			for _, p := range tt.parts {
				s.write([]byte(p))
			}
			s.end()
			if diff := cmp.Diff(tt.want, s.take(), cmp.AllowUnexported(line{})); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}
