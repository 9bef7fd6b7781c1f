package pgstore_test

import (
	"context"
	"errors"
	"net/url"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ephemera-go/ephemera/sinks"
	pgstore "github.com/ephemera-go/ephemera/storage-postgres"
)

// never is longer than any test: what comes in spite of it came by a notification.
const never = time.Hour

// follow runs Tail until it has seen the signals up to last, and compares.
func follow(t *testing.T, s *pgstore.Signals, after, last uint64) chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		var got []sinks.Signal
		for signal, err := range s.Tail(t.Context(), after) {
			if err != nil {
				done <- err
				return
			}
			got = append(got, signal)
			if signal.Sequence == last {
				break
			}
		}
		if diff := cmp.Diff(series(after+1, last), got); diff != "" {
			done <- errors.New(diff)
			return
		}
		done <- nil
	}()
	return done
}

// ended waits for what follow returned.
func ended(t *testing.T, done chan error) {
	t.Helper()
	select {
	case err := <-done:
		must(t, err)
	case <-time.After(30 * time.Second):
		t.Fatal("signals that were appended have not come")
	}
}

func listening(t *testing.T, place string) func() bool {
	conn := raw(t, place)
	return func() bool {
		return value[int](t, conn, "SELECT count(*) FROM pg_stat_activity WHERE query = $1", "LISTEN \""+schemaOf(t, place)+"\"") > 0
	}
}

func TestTail(t *testing.T) {
	place := place(t)
	s := openSignals(t, place, nil)
	s.SetPoll(never)
	writer := openSignals(t, place, nil)
	must(t, writer.Append(t.Context(), series(1, 1200))) // more than a page
	done := follow(t, s, 100, 1300)
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which might close what Tail does not
	eventually(t, "somebody listens", listening(t, place))
	for n := uint64(1201); n <= 1300; n += 4 {
		must(t, writer.Append(t.Context(), series(n, n+3)))
	}
	ended(t, done)
	eventually(t, "nobody listens", func() bool { return !listening(t, place)() })
}

// TestTailBeginsToListen: what is appended before the server knows that somebody listens is found by reading.
func TestTailBeginsToListen(t *testing.T) {
	direct := place(t)
	writer := openSignals(t, direct, nil)
	p, u := newProxy(t)
	p.decide = func() fate { return pass }
	p.see = func(query string) {
		if strings.HasPrefix(query, "LISTEN") {
			if err := writer.Append(t.Context(), series(1, 3)); err != nil {
				t.Error(err)
			}
		}
	}
	p.serve(p.relay)
	s := openSignals(t, with(u, "ephemera_schema", schemaOf(t, direct)).String(), nil)
	s.SetPoll(never)
	ended(t, follow(t, s, 0, 3))
}

// TestTailWithoutNotifications polls: behind a pooler of transactions none comes, and after the connection was lost none
// comes for a while.
func TestTailWithoutNotifications(t *testing.T) {
	t.Run("pooler", func(t *testing.T) {
		direct := place(t)
		writer := openSignals(t, direct, nil)
		u := with(startPooler(t), "ephemera_schema", schemaOf(t, direct), "default_query_exec_mode", "cache_describe")
		s := openSignals(t, u.String(), nil)
		s.SetPoll(10 * time.Millisecond)
		done := follow(t, s, 0, 50)
		for n := uint64(1); n <= 50; n++ {
			must(t, writer.Append(t.Context(), series(n, n)))
		}
		ended(t, done)
	})
	t.Run("killed", func(t *testing.T) {
		place := place(t)
		s, writer := openSignals(t, place, nil), openSignals(t, place, nil)
		s.SetPoll(10 * time.Millisecond)
		done := follow(t, s, 0, 200)
		conn := superuser(t)
		for n := uint64(1); n <= 200; n++ {
			if n%20 == 0 {
				execute(t, conn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN \""+schemaOf(t, place)+"\"'")
			}
			must(t, writer.Append(t.Context(), series(n, n)))
		}
		ended(t, done)
	})
	t.Run("no connection left", func(t *testing.T) {
		role := newRole(t)
		u, err := url.Parse(place(t, "pool_max_conns", "1"))
		must(t, err)
		u.User = url.User(role)
		s := openSignals(t, u.String(), nil)
		s.SetPoll(10 * time.Millisecond)
		must(t, s.Append(t.Context(), series(1, 1)))
		execute(t, superuser(t), "ALTER ROLE "+role+" CONNECTION LIMIT 0") // those that are open stay
		done := follow(t, s, 0, 20)
		for n := uint64(2); n <= 20; n++ {
			must(t, s.Append(t.Context(), series(n, n)))
		}
		ended(t, done)
	})
}

// TestTailEnds with the context, with the store, and in order beside trimming.
func TestTailEnds(t *testing.T) {
	place := place(t)
	s := openSignals(t, place, nil)
	s.SetPoll(never)
	must(t, s.Append(t.Context(), series(1, 5)))
	must(t, s.Trim(t.Context(), 2))
	ctx, cancel := context.WithCancel(t.Context())
	seen := uint64(2)
	for signal, err := range s.Tail(ctx, 0) {
		if seen == 5 {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("after the context ended: %v, %v", signal, err)
			}
			continue
		}
		must(t, err)
		if seen++; signal.Sequence != seen {
			t.Errorf("%d after %d", signal.Sequence, seen-1)
		}
		if seen == 5 {
			cancel()
		}
	}
	cancel()
	done := make(chan error, 1)
	go func() {
		for _, err := range s.Tail(t.Context(), 5) {
			done <- err
		}
	}()
	eventually(t, "somebody listens", listening(t, place))
	must(t, s.Close())
	if err := <-done; !errors.Is(err, sinks.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
