package sqlitestore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	sqlitestore "github.com/ephemera-go/ephemera/storage-sqlite"
)

// childObey acquires or writes whenever it is told to, and says what came of it.
func childObey(ctx context.Context, path string) error {
	s, err := sqlitestore.OpenSignals(ctx, path, &quick)
	if err != nil {
		return err
	}
	orders := bufio.NewScanner(os.Stdin)
	for orders.Scan() {
		var n uint64
		var err error
		if order := orders.Text(); order == "acquire" {
			n, err = sinks.Acquire(ctx, s, sinks.Claim{Owner: "the child", TTL: 100 * time.Millisecond})
		} else if _, err = fmt.Sscan(order, &n); err == nil {
			err = s.Append(ctx, series(n, n))
		}
		switch {
		case err == nil:
			fmt.Println("done", n)
		case errors.Is(err, sinks.ErrFenced):
			fmt.Println("fenced")
		default:
			fmt.Println(err)
		}
	}
	return errors.Join(orders.Err(), s.Close())
}

// TestManyProcessesOpen makes, opens and closes one file in several processes at once: each finds it sound at any moment
// of the others.
func TestManyProcessesOpen(t *testing.T) {
	const processes = 4
	path := filepath.Join(t.TempDir(), "x.db")
	var children [processes]*child
	for i := range children {
		children[i] = start(t, "come and go", path)
	}
	for _, c := range children {
		c.end(t)
	}
	s := openSignals(t, path, quick)
	must(t, sinks.Verify(t.Context(), s))
	wantLog(t, s, series(1, visits))
	closeAll(t, s)
}

const visits = 25

func childComeAndGo(ctx context.Context, path string) error {
	o := sqlitestore.Options{Synchronous: sqlitestore.Normal, BusyTimeout: time.Minute}
	for n := uint64(1); n <= visits; n++ {
		s, err := sqlitestore.OpenSignals(ctx, path, &o)
		if err != nil {
			return fmt.Errorf("visit %d: %w", n, err)
		}
		if err := errors.Join(s.Append(ctx, series(1, n)), s.Close()); err != nil {
			return fmt.Errorf("visit %d: %w", n, err)
		}
	}
	return nil
}
