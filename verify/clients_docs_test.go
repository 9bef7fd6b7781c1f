package verify

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// httpDocs returns the blocks of docs/http.md in a language.
func httpDocs(t *testing.T, language string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", "http.md"))
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, part := range strings.Split(string(text), "```"+language+"\n")[1:] {
		block, _, _ := strings.Cut(part, "```")
		blocks = append(blocks, block)
	}
	if len(blocks) == 0 {
		t.Fatalf("docs/http.md has no block in %s", language)
	}
	return blocks
}

// TestClientsDocs builds and starts the server of docs/http.md, runs its commands, and compares what they print with what the
// page says: there … stands for any text and line breaks for spaces.
func TestClientsDocs(t *testing.T) {
	t.Parallel()
	program(t, "curl")
	shell := program(t, "bash")
	address := freeAddress(t)
	dir := t.TempDir()
	source := strings.ReplaceAll(httpDocs(t, "go")[0], "127.0.0.1:7070", address)
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*clientTimeout)
	defer cancel()
	binary := filepath.Join(dir, "server")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, filepath.Join(dir, "main.go")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	server := exec.CommandContext(ctx, binary)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cancel()
		_ = server.Wait()
	}()
	waitFor(t, func() bool {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/streams", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err == nil {
			_ = resp.Body.Close()
		}
		return err == nil
	}, func() string { return "the server does not answer" })
	http.DefaultClient.CloseIdleConnections()
	begin := time.Now()
	for _, block := range httpDocs(t, "sh") {
		for command, want := range commandsOf(block) {
			out, err := exec.CommandContext(ctx, shell, "-c", strings.ReplaceAll(command, "localhost:7070", address)).Output()
			if got := strings.Join(strings.Fields(string(out)), " "); err != nil || !want.MatchString(got) {
				t.Errorf("%s\nprints %s, %v\nwant %s", command, got, err, want)
			}
		}
	}
	t.Logf("commands: %v", time.Since(begin))
}

// commandsOf yields the commands of a block with what they print.
func commandsOf(block string) func(func(string, *regexp.Regexp) bool) {
	return func(yield func(string, *regexp.Regexp) bool) {
		command, want := "", ""
		flush := func() bool {
			expression := strings.ReplaceAll(regexp.QuoteMeta(want), "…", ".*")
			return command == "" || yield(command, regexp.MustCompile("^"+expression+"$"))
		}
		for line := range strings.SplitSeq(strings.TrimSpace(block), "\n") {
			if text, ok := strings.CutPrefix(line, "# "); ok {
				want = text
				continue
			}
			if !flush() {
				return
			}
			command, want = line, ""
		}
		flush()
	}
}

// freeAddress returns one of this machine on which nobody listens. Its port is below those that systems give to connections, so
// none of the many that tests make takes it before the server is there.
func freeAddress(t *testing.T) string {
	t.Helper()
	const low, high, attempts = 20000, 32000, 50
	var err error
	for range attempts {
		address := fmt.Sprintf("127.0.0.1:%d", low+rand.IntN(high-low))
		var l net.Listener
		if l, err = new(net.ListenConfig).Listen(t.Context(), "tcp", address); err == nil {
			must(t, l.Close())
			return address
		}
	}
	t.Fatal(err)
	return ""
}
