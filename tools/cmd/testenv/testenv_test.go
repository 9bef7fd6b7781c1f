//go:build unix

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// callersServers hides servers that the tests themselves may run beside.
func callersServers(t *testing.T) {
	t.Helper()
	for _, name := range []string{"EPHEMERA_TEST_POSTGRES", "EPHEMERA_TEST_S3", "EPHEMERA_CI"} {
		t.Setenv(name, "")
	}
}

// script writes an executable shell script.
func script(t *testing.T, folder, name, text string) {
	t.Helper()
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name), []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// fakePostgres writes programs that start and answer like those of PostgreSQL; serve is what the server does.
func fakePostgres(t *testing.T, folder, serve string) {
	t.Helper()
	script(t, folder, "initdb", "exit 0\n")
	script(t, folder, "postgres", "if [ \"$1\" = --single ]; then exit 0; fi\n"+serve)
	script(t, folder, "pg_isready", "exit 0\n")
}

// emptyHost is a machine without servers, in PATH and elsewhere.
func emptyHost(t *testing.T) host {
	t.Helper()
	callersServers(t)
	root := t.TempDir()
	h := host{
		unix: true, versions: filepath.Join(root, "postgresql", "*", "bin"), cache: filepath.Join(root, "cache"),
		tools: filepath.Join(root, "versions.txt"),
	}
	if err := os.WriteFile(h.tools, []byte("# comment\nversitygw v1.2.3 example.org/gw/cmd/versitygw\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(root, "path"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", filepath.Join(root, "path"))
	return h
}

func testSession(t *testing.T, h host, c config) (code int, stderr string, err error) {
	t.Helper()
	t.Setenv("TMPDIR", shortDir(t))
	if c.s3 == "" {
		c.s3 = "versitygw"
	}
	var stdout, text strings.Builder
	s := newSession(c, h, &stdout, &text)
	code, err = s.run(t.Context())
	for _, server := range s.servers {
		if server.process == nil {
			continue // did not start
		}
		select {
		case <-server.process.ended:
		default:
			t.Errorf("%s still runs", server.name)
		}
	}
	if left, globErr := filepath.Glob(filepath.Join(os.TempDir(), "*")); globErr != nil || len(left) > 0 {
		t.Errorf("files stay: %q, %v", left, globErr)
	}
	return code, stdout.String() + text.String(), err
}

// shortDir is a temporary folder whose path is short enough for sockets below it, and that every user may enter.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "t") //nolint:usetesting // the path of t.TempDir is too long, and closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestFindPostgres(t *testing.T) {
	h := emptyHost(t)
	if folder, ok := h.findPostgres(); ok {
		t.Fatalf("found %s on an empty machine", folder)
	}
	versions := filepath.Dir(filepath.Dir(h.versions))
	fakePostgres(t, filepath.Join(versions, "9", "bin"), "")
	fakePostgres(t, filepath.Join(versions, "15", "bin"), "")
	script(t, filepath.Join(versions, "16", "bin"), "postgres", "") // no initdb
	if folder, _ := h.findPostgres(); folder != filepath.Join(versions, "15", "bin") {
		t.Errorf("found %q, want version 15", folder)
	}
	elsewhere := filepath.Join(t.TempDir(), "bin")
	fakePostgres(t, elsewhere, "")
	if err := os.Symlink(filepath.Join(elsewhere, "postgres"), filepath.Join(os.Getenv("PATH"), "postgres")); err != nil {
		t.Fatal(err)
	}
	want, err := filepath.EvalSymlinks(elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	if folder, _ := h.findPostgres(); folder != want {
		t.Errorf("found %q, want that of the link in PATH, %s", folder, want)
	}
}

func TestMissingServers(t *testing.T) {
	const aptFails, sudoFails = "echo no network; exit 1\n", "exit 1\n"
	tests := []struct {
		name      string
		apt, sudo string
		root      bool
		install   bool
		want      string
	}{
		{"no-apt", "", "", true, true, "PostgreSQL is not installed; install it so that initdb"},
		{"not-asked", aptFails, "", true, false, "PostgreSQL is not installed; install it: sudo apt-get install postgresql"},
		{"no-rights", aptFails, sudoFails, false, true, "PostgreSQL is not installed; install it: sudo apt-get install postgresql"},
		{"no-sudo", aptFails, "", false, true, "PostgreSQL is not installed; install it: sudo apt-get install postgresql"},
		{"apt-fails", aptFails, "", true, true, "it said:\nno network"},
		{"apt-useless", "exit 0\n", "", true, true, "but its programs are not in"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := emptyHost(t)
			h.root = tt.root
			bin := os.Getenv("PATH")
			script(t, bin, "command", "echo \"pg=$EPHEMERA_TEST_POSTGRES s3=$EPHEMERA_TEST_S3\"; exit 7\n")
			if tt.apt != "" {
				script(t, bin, "apt-get", tt.apt)
			}
			if tt.sudo != "" {
				script(t, bin, "sudo", tt.sudo)
			}
			c := config{install: tt.install, command: []string{"command"}}
			code, out, err := testSession(t, h, c)
			if code != 7 || err != nil || !strings.Contains(out, "pg= s3=\n") {
				t.Errorf("without servers: status %d, %v; want the command's 7, its variables unset, in:\n%s", code, err, out)
			}
			if !strings.Contains(out, "going on without postgres: ") || !strings.Contains(out, tt.want) {
				t.Errorf("no %q in:\n%s", tt.want, out)
			}
			c.need = []string{"postgres"}
			if code, _, err := testSession(t, h, c); code != exitFailed || err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("with -need: status %d, %v", code, err)
			}
			c.need = nil
			t.Setenv("EPHEMERA_CI", "1")
			if code, _, err := testSession(t, h, c); code != exitFailed || err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("in CI: status %d, %v", code, err)
			}
		})
	}
}

func TestInstallPostgres(t *testing.T) {
	h := emptyHost(t)
	bin := os.Getenv("PATH")
	installed := filepath.Join(filepath.Dir(filepath.Dir(h.versions)), "17", "bin")
	ready := filepath.Join(t.TempDir(), "ready")
	fakePostgres(t, ready, "exec /bin/sleep 1000\n")
	script(t, bin, "apt-get", "[ $1 = update ] || { /bin/mkdir -p "+installed+" && /bin/cp "+ready+"/* "+installed+"; }\n")
	script(t, bin, "sudo", "[ $1 = -n ] && shift && exec \"$@\"\n")
	script(t, bin, "true", "exit 0\n")
	script(t, bin, "command", "echo \"pg=$EPHEMERA_TEST_POSTGRES\"\n")
	code, out, err := testSession(t, h, config{need: []string{"postgres"}, install: true, command: []string{"command"}})
	if code != 0 || err != nil {
		t.Fatalf("status %d, %v:\n%s", code, err, out)
	}
	for _, want := range []string{"installing postgresql with apt-get\n", "started postgres in ", installed, "pg=postgres://ephemera@/ephemera?host=%2Ftmp%2F"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}

func TestBuiltTool(t *testing.T) {
	h := emptyHost(t)
	h.tools = "versions.txt"
	bin, folder := os.Getenv("PATH"), filepath.Join(h.cache, "versitygw-v1.2.3")
	t.Chdir(bin) // the list lies in the folder above
	var stderr strings.Builder
	s := newSession(config{}, h, &stderr, &stderr)
	check := func(want string) {
		t.Helper()
		path, err := s.builtTool(t.Context(), "versitygw")
		var absent missing
		switch {
		case err == nil && path != want:
			t.Errorf("got %s, want %s", path, want)
		case err != nil && (!errors.As(err, &absent) || !strings.Contains(err.Error(), want)):
			t.Errorf("got %v, want one that says %q", err, want)
		}
	}
	check("versitygw v1.2.3 is not in " + h.cache + "; build it: testenv -install")
	s.install = true
	script(t, bin, "go", "echo cannot; exit 1\n")
	check("go install example.org/gw/cmd/versitygw@v1.2.3 failed: exit status 1; it said:\ncannot")
	script(t, bin, "go", "/bin/mkdir -p $GOBIN && echo > $GOBIN/versitygw && /bin/chmod 755 $GOBIN/versitygw\n")
	check(filepath.Join(folder, "versitygw"))
	if _, err := os.Stat(filepath.Join(folder, "versitygw")); err != nil {
		t.Error(err)
	}
	script(t, bin, "go", "exit 1\n") // not called again
	check(filepath.Join(folder, "versitygw"))
	if _, err := s.builtTool(t.Context(), "minio"); err == nil || !strings.Contains(err.Error(), "names no version of minio") {
		t.Errorf("a tool that is not listed: %v", err)
	}
}

func TestServersOfTheCaller(t *testing.T) {
	h := emptyHost(t)
	t.Setenv("EPHEMERA_TEST_POSTGRES", "postgres://mine")
	t.Setenv("EPHEMERA_TEST_S3", "s3://mine")
	script(t, os.Getenv("PATH"), "command", "echo \"$EPHEMERA_TEST_POSTGRES $EPHEMERA_TEST_S3\"\n")
	code, out, err := testSession(t, h, config{need: []string{"postgres", "s3"}, command: []string{"command"}})
	if code != 0 || err != nil || !strings.Contains(out, "postgres://mine s3://mine\n") {
		t.Errorf("status %d, %v:\n%s", code, err, out)
	}
}

func TestServerThatFails(t *testing.T) {
	h := emptyHost(t)
	fakePostgres(t, os.Getenv("PATH"), "echo disk on fire >&2; exit 3\n")
	script(t, os.Getenv("PATH"), "pg_isready", "exit 2\n")
	script(t, os.Getenv("PATH"), "command", "exit 0\n")
	code, out, err := testSession(t, h, config{command: []string{"command"}})
	want := "postgres: the server ended (exit status 3); its log ends with:\ndisk on fire"
	if code != exitFailed || err == nil || err.Error() != want || out != "" {
		t.Errorf("status %d, error\n%v\nwant\n%s\noutput %q", code, err, want, out)
	}
	script(t, os.Getenv("PATH"), "initdb", "echo no room; exit 1\n")
	_, _, err = testSession(t, h, config{command: []string{"command"}})
	if want = "postgres: initdb: exit status 1; it said:\nno room"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestUsage(t *testing.T) {
	callersServers(t)
	tests := []struct {
		code int
		want string
		args []string
	}{
		{0, "usage: testenv", []string{"-h"}},
		{exitFailed, "usage: testenv", []string{"-x"}},
		{exitFailed, "want a command", nil},
		{exitFailed, `unknown server "mysql"; known are postgres, s3`, []string{"-need", "mysql", "--", "true"}},
		{exitFailed, `unknown server "aws"`, []string{"-s3", "aws", "--", "true"}},
		{exitFailed, "no-such-socket", []string{"-restart", "no-such-socket"}},
		{exitNotFound, "executable file not found", []string{"--", "no-such-command"}},
		{exitNotFound, "no such file", []string{"--", "./no-such-command"}},
		{exitNoRun, "permission denied", []string{"--", "./main.go"}},
	}
	for _, tt := range tests {
		var out strings.Builder
		if code := run(t.Context(), tt.args, &out, &out); code != tt.code || !strings.Contains(out.String(), tt.want) {
			t.Errorf("%v: status %d, want %d and %q in:\n%s", tt.args, code, tt.code, tt.want, out.String())
		}
	}
}
