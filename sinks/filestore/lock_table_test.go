package filestore

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestLocksInTable holds the locks of systems without file locks to what the others do.
func TestLocksInTable(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "real")
	link := dir + ".link"
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir, link); err != nil {
		t.Skip("no links on this system")
	}
	path, same := filepath.Join(dir, "lock"), filepath.Join(link, "lock")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	exclusive, shared := lockMode{exclusive: true}, lockMode{}
	busy := func(path string, how lockMode) {
		t.Helper()
		how.try = true
		if _, err := lockInTable(t.Context(), path, how); !errors.Is(err, errBusy) {
			t.Errorf("a lock that is taken: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		how.try = false
		if _, err := lockInTable(ctx, path, how); !errors.Is(err, context.Canceled) {
			t.Errorf("waiting with a context that is over: %v", err)
		}
	}
	first, err := lockInTable(t.Context(), path, shared)
	if err != nil {
		t.Fatal(err)
	}
	second, err := lockInTable(t.Context(), same, shared)
	if err != nil {
		t.Fatal(err)
	}
	busy(same, exclusive)
	if err := errors.Join(first.Close(), first.Close()); err != nil {
		t.Fatal(err)
	}
	busy(path, exclusive) // the second one still holds it
	got := make(chan error)
	go func() {
		lock, err := lockInTable(t.Context(), path, exclusive)
		if err == nil {
			busy(same, shared)
			busy(same, exclusive)
			err = lock.Close()
		}
		got <- err
	}()
	if err := errors.Join(second.Close(), <-got); err != nil {
		t.Fatal(err)
	}
	if len(table.holders) != 0 {
		t.Errorf("left in the table: %v", table.holders)
	}
}
