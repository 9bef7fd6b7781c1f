package main

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// anywhere is how an image runs the server.
func anywhere(t *testing.T, dir string) *running {
	t.Helper()
	r := serve(t, dir, "--listen", "0.0.0.0:0", "--generate-token", "--log-level", "debug")
	r.url = strings.Replace(r.url, "[::]", "127.0.0.1", 1)
	return r
}

func bearer(token string) option { return with("Authorization", "Bearer "+token) }

// token reads the one that a server keeps in its data directory, which nobody else may read.
func token(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "token")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// TestGeneratedToken: the first start makes a token and says where it is, later ones use it, and nothing shows it.
func TestGeneratedToken(t *testing.T) {
	dir := t.TempDir()
	r := anywhere(t, dir)
	first := token(t, dir)
	if len(first) != 64 || !strings.Contains(r.out.String(), "token: a new one, kept in "+filepath.Join(dir, "token")) {
		t.Errorf("a token of %d characters: %s", len(first), r.out)
	}
	r.want(http.StatusUnauthorized, nil, "GET", "/streams", "")
	r.want(http.StatusOK, nil, "GET", "/streams", "", bearer(first))
	shown := r.want(http.StatusOK, nil, "GET", "/metrics", "", bearer(first)).body + r.want(http.StatusOK, nil, "GET", "/admin/stats", "", bearer(first)).body
	if code := r.stop(); code != 0 {
		t.Fatalf("exit code %d: %s", code, r.err)
	}
	shown += r.out.String() + r.err.String()

	r = anywhere(t, dir)
	if again := token(t, dir); again != first || !strings.Contains(r.out.String(), "token: the one in ") {
		t.Errorf("the second start has another token: %s", r.out)
	}
	r.want(http.StatusOK, nil, "GET", "/streams", "", bearer(first))
	r.stop()
	shown += r.out.String() + r.err.String()
	if strings.Contains(shown, first) {
		t.Error("the token stands in a log, a figure or on the terminal")
	}

	if err := os.Remove(filepath.Join(dir, "token")); err != nil {
		t.Fatal(err)
	}
	r = anywhere(t, dir)
	second := token(t, dir)
	if second == first || !strings.Contains(r.out.String(), "token: a new one") {
		t.Errorf("behind a deleted token: %s", r.out)
	}
	r.want(http.StatusUnauthorized, nil, "GET", "/streams", "", bearer(first))
	r.want(http.StatusOK, nil, "GET", "/streams", "", bearer(second))
}

// TestGeneratedTokenRefused: what is no token that only the server knows is refused, by the name of its file, and stays as it is.
func TestGeneratedTokenRefused(t *testing.T) {
	const old = "a-token-that-is-long-enough"
	file := func(text string, mode os.FileMode) func(string) error {
		return func(path string) error { // whatever the umask
			return errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chmod(path, mode))
		}
	}
	if runtime.GOOS == "windows" {
		t.Skip("files have no such modes")
	}
	for name, x := range map[string]struct {
		make func(path string) error
		says string
	}{
		"others may read it":  {file(old, 0o644), "0644"},
		"a group may read it": {file(old, 0o640), "0640"},
		"empty":               {file("", 0o600), "0 bytes"},
		"two words":           {file(old+" "+old, 0o600), "blank"},
		"a folder":            {func(path string) error { return os.Mkdir(path, 0o700) }, "no regular file"},
		"a link":              {func(path string) error { return os.Symlink("/dev/null", path) }, "no regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			serve(t, dir).stop() // makes it a data directory
			path := filepath.Join(dir, "token")
			if err := x.make(path); err != nil {
				t.Fatal(err)
			}
			code, out, text := once(t, "serve", "--listen", "127.0.0.1:0", "--data", dir, "--generate-token")
			if code != 3 || !strings.Contains(text, path) || !strings.Contains(text, x.says) || strings.Contains(out+text, old) {
				t.Errorf("exit code %d: %s%s", code, out, text)
			}
			if _, err := os.Lstat(path); err != nil {
				t.Error("it was removed")
			}
		})
	}
}

func TestGeneratedTokenAndAnother(t *testing.T) {
	args := []string{"serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(t.TempDir(), "d"), "--generate-token"}
	file := write(t, "token", "a-token-of-some-length")
	refused := func(other string, args ...string) {
		t.Helper()
		code, _, text := once(t, args...)
		if code != 2 || !strings.Contains(text, "--generate-token and "+other+" together") {
			t.Errorf("exit code %d: %s", code, text)
		}
	}
	refused("--token-file", append(args, "--token-file", file)...)
	refused("--insecure-no-token", append(args, "--insecure-no-token")...)
	t.Setenv("EPHEMERA_TOKEN", "a-token-of-some-length")
	refused("EPHEMERA_TOKEN", args...)
}

func TestHealth(t *testing.T) {
	r := serve(t, t.TempDir(), "--token-file", write(t, "token", "a-token-of-some-length"))
	url := "--url=" + r.url
	if out := ok(t, "health", url); out != "ready\n" {
		t.Errorf("%q", out)
	}
	if out := ok(t, "health", "--json", url); out != "{\"ready\":true}\n" {
		t.Errorf("%q", out)
	}
	r.stop()
	if code, _, text := once(t, "health", url); code != 7 {
		t.Errorf("without a server: exit code %d: %s", code, text)
	}
}
