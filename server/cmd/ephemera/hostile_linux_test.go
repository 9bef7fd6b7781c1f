package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// What 500 slow clients may cost.
const (
	closedWithin = 10 * time.Second
	goodP99      = 50 * time.Millisecond
	memoryGrowth = 32 << 20
)

// good appends one event after the other and returns how long each took.
func (r *running) good(n int) []time.Duration {
	r.t.Helper()
	took := make([]time.Duration, n)
	for i := range took {
		begin := time.Now()
		r.want(http.StatusCreated, nil, "POST", "/streams/good", `{"data":1}`)
		took[i] = time.Since(begin)
	}
	return took
}

func p99(took []time.Duration) time.Duration {
	slices.Sort(took)
	return took[len(took)*99/100]
}

// resident returns the memory of the server's process.
func (r *running) resident() float64 {
	r.t.Helper()
	const name = "\nprocess_resident_memory_bytes "
	_, rest, ok := strings.Cut(r.want(http.StatusOK, nil, "GET", "/metrics", "").body, name)
	text, _, _ := strings.Cut(rest, "\n")
	bytes, err := strconv.ParseFloat(text, 64)
	if !ok || err != nil {
		r.t.Fatalf("no %s: %v", name, err)
	}
	return bytes
}

// ends reads from a connection until the server closes it.
func ends(c net.Conn, slowBody bool) error {
	b, err := io.ReadAll(c)
	if err == nil && slowBody && !bytes.HasPrefix(b, []byte("HTTP/1.1 408 ")) {
		return fmt.Errorf("a slow body got %.40q, want 408", b)
	}
	return err
}

// TestServerH2_SlowClients: who does not get on with a request loses the connection in time, others do not suffer, and memory
// does not grow with it.
func TestServerH2_SlowClients(t *testing.T) {
	slow, warm := 500, 5000 // requests after which memory stays as it is without slow clients
	args := []string{"serve", "--listen=127.0.0.1:0", "--data=" + t.TempDir(), "--log-level=error", "--stream-events=100"}
	if testing.Short() {
		slow, warm, args = 100, 2000, append(args, "--header-timeout=1s", "--body-timeout=1s")
	}
	t.Setenv("GOGC", "100") // no slack for garbage, which would hide what connections take
	p := startCommand(t, os.Args[0], args...)
	r := &running{t: t, url: p.url}
	r.good(warm)
	quiet := p99(r.good(1000))
	before := r.resident()

	begin := time.Now()
	var all sync.WaitGroup
	failed := make(chan error, slow)
	for i := range slow {
		text := half
		if i%2 == 0 {
			text = "GET /streams HTTP/1.1\r\nHost: loc"
		}
		c := r.dial(text)
		all.Go(func() { failed <- ends(c, i%2 == 1) })
	}
	closed := make(chan struct{})
	go func() {
		all.Wait()
		close(closed)
	}()
	var took []time.Duration
	most := before
	for over := false; !over; {
		took = append(took, r.good(50)...)
		most = max(most, r.resident())
		select {
		case <-closed:
			over = true
		default:
		}
	}
	lasted := time.Since(begin)
	close(failed)
	for err := range failed {
		if err != nil {
			t.Error(err)
		}
	}
	busy := p99(took)
	t.Logf("%d slow clients gone after %v; p99 of %d others %v, before %v; %.1f MiB more", slow, lasted, len(took), busy, quiet, (most-before)/(1<<20))
	if lasted > closedWithin {
		t.Errorf("closing them took %v", lasted)
	}
	if limit := max(goodP99, 3*quiet); busy > limit { // where others take the processors, before as well
		t.Errorf("p99 of good requests is %v", busy)
	}
	if most-before > memoryGrowth {
		t.Errorf("memory grew by %.1f MiB", (most-before)/(1<<20))
	}
}
