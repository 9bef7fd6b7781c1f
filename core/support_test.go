//go:build !explore

package core

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"
)

// firstSeed is where random tests begin; EPHEMERA_SEED moves it. The seed of a failing case is in its name.
func firstSeed(t testing.TB) uint64 {
	text := os.Getenv("EPHEMERA_SEED")
	if text == "" {
		return 1
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("EPHEMERA_SEED: %v", err)
	}
	return n
}

// pick returns long, or short under -short.
func pick(long, short int) int {
	if testing.Short() {
		return short
	}
	return long
}

func mustNew[E any](t testing.TB, o Options[E]) *Store[E] {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func mustSync[E any](t testing.TB, s *Store[E]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.Settle(ctx); err != nil {
		t.Fatalf("Settle: %v", err)
	}
}

func mustAppend[E any](t testing.TB, s *Store[E], events ...E) {
	t.Helper()
	for _, e := range events {
		if _, err := s.Append(e); err != nil {
			t.Fatalf("Append: %v", err)
		}
	}
}

// eventually polls without sleeping until ok, and fails after 20 seconds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("did not happen in 20 seconds: %s", what)
		}
	}
}

// finishes runs f and fails with all stacks if it takes more than half a minute.
func finishes(t testing.TB, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		buf := make([]byte, 1<<20)
		panic(fmt.Sprintf("deadlock: %s\n%s", what, buf[:runtime.Stack(buf, true)])) // a failed test would wait for it too
	}
}

// checkLedger fails unless the ledger is balanced and nothing is under way.
func checkLedger(t testing.TB, l Ledger) {
	t.Helper()
	if !l.Balanced() || l.InFlight != 0 {
		t.Errorf("ledger at rest: %+v", l)
	}
}

func wantError(t testing.TB, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) || want == nil && got != nil {
		t.Errorf("%s: error %v, want %v", what, got, want)
	}
}

// A handClock is moved by the test.
type handClock struct {
	mu sync.Mutex
	t  time.Time
}

func newHandClock() *handClock { return &handClock{t: time.Date(2024, 6, 1, 12, 0, 0, 0, time.UTC)} }

func (c *handClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *handClock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}
