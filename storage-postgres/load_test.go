package pgstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ephemera-go/ephemera/sinks"
	pgstore "github.com/ephemera-go/ephemera/storage-postgres"
)

// sessions counts the connections of a program by its name.
func sessions(t *testing.T, name string) int {
	t.Helper()
	return value[int](t, superuser(t), "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1", name)
}

// TestClose waits for the calls in progress and gives every connection back.
func TestClose(t *testing.T) {
	place := place(t, "application_name", "closing")
	s, b := openSignals(t, place, nil), openBlobs(t, place, nil)
	_, err := sinks.Acquire(t.Context(), s, sinks.Claim{Owner: "x", TTL: time.Hour})
	must(t, err)
	var group sync.WaitGroup
	var mu sync.Mutex
	started := make(chan struct{}, 100)
	stored := map[string]bool{}
	for w := range 6 {
		group.Go(func() {
			for n := 0; ; n++ {
				name := fmt.Sprintf("%d/%d", w, n)
				err := b.Put(t.Context(), name, 1, strings.NewReader("x"))
				if errors.Is(err, sinks.ErrClosed) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				stored[name] = true
				mu.Unlock()
				select {
				case started <- struct{}{}:
				default:
				}
				if _, err := s.Stat(t.Context()); err != nil && !errors.Is(err, sinks.ErrClosed) {
					t.Error(err)
				}
			}
		})
	}
	for range 12 {
		<-started
	}
	closeAll(t, s, b, s, b)
	group.Wait()
	eventually(t, "no connection is left", func() bool { return sessions(t, "closing") == 0 })
	again := openBlobs(t, place, nil)
	list, err := again.List(t.Context(), "", "", 0)
	must(t, err)
	if len(list) != len(stored) {
		t.Errorf("%d blobs are stored, %d were acknowledged", len(list), len(stored))
	}
	if held := value[bool](t, raw(t, place), "SELECT held FROM leases WHERE destination = 'signals'"); held {
		t.Error("the lease is still held")
	}
}

// TestCloseWithoutServer ends although the lease cannot be given up.
func TestCloseWithoutServer(t *testing.T) {
	direct := place(t)
	p, u := startProxy(t, func() fate { return pass })
	s := openSignals(t, with(u, "ephemera_schema", schemaOf(t, direct), "ephemera_retry_timeout", "100ms", "application_name", "gone").String(), nil)
	_, err := sinks.Acquire(t.Context(), s, sinks.Claim{Owner: "x", TTL: time.Hour})
	must(t, err)
	_ = p.listener.Close()
	execute(t, superuser(t), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'gone'")
	if err := s.Close(); !errors.Is(err, pgstore.ErrUnavailable) && !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// TestContentAfterClose ends with an error.
func TestContentAfterClose(t *testing.T) {
	b := openBlobs(t, place(t), nil)
	body := strings.Repeat("x", 3<<20)
	must(t, b.Put(t.Context(), "x", int64(len(body)), strings.NewReader(body)))
	r, _, err := b.Open(t.Context(), "x")
	must(t, err)
	must(t, b.Close())
	if _, err := r.Read(make([]byte, 10)); !errors.Is(err, sinks.ErrClosed) {
		t.Error(err)
	}
	must(t, r.Close())
}

// TestFullPool: more calls than connections wait for each other; the context ends the waiting.
func TestFullPool(t *testing.T) {
	place := place(t, "pool_max_conns", "2")
	s, b := openSignals(t, place, nil), openBlobs(t, place, nil)
	var group sync.WaitGroup
	for i := range 40 {
		group.Go(func() {
			if err := b.Put(t.Context(), fmt.Sprint(i), 1, strings.NewReader("x")); err != nil {
				t.Error(err)
			}
			if err := s.Append(t.Context(), series(1, 3)); err != nil {
				t.Error(err)
			}
			if _, err := s.Read(t.Context(), 0, 10); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	conn := raw(t, place)
	execute(t, conn, "BEGIN", "SELECT FROM signal_log FOR UPDATE")
	for range 2 {
		group.Go(func() {
			if err := s.Append(t.Context(), series(1, 5)); err != nil {
				t.Error(err)
			}
		})
	}
	watch := superuser(t)
	eventually(t, "both connections wait", func() bool {
		return value[int](t, watch, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1", "%"+schemaOf(t, place)+"%") == 2
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := s.Stat(ctx)
	var known *sinks.Error
	if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &known) {
		t.Errorf("waiting for a connection: %v", err)
	}
	execute(t, conn, "COMMIT")
	group.Wait()
	wantLog(t, s, series(1, 5))
}

// TestTerminated: connections that an administrator ends cost nothing.
func TestTerminated(t *testing.T) {
	place := place(t, "application_name", "victim")
	s, b := openSignals(t, place, nil), openBlobs(t, place, nil)
	conn := superuser(t)
	var want []sinks.Signal
	for n := uint64(1); n <= 160; n += 8 {
		execute(t, conn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'victim'")
		batch := series(n, n+7)
		must(t, s.Append(t.Context(), batch))
		want = append(want, batch...)
		name := fmt.Sprint(n)
		must(t, b.Put(t.Context(), name, 1, strings.NewReader("x")))
		_, err := s.Stat(t.Context())
		must(t, err)
	}
	wantLog(t, s, want)
	// While calls are in progress, but not for ever: a call needs a moment in peace to succeed.
	for n := uint64(161); n <= 400; n += 40 {
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			for range 100 {
				_, _ = conn.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'victim'")
			}
		}()
		batch := series(n, n+39)
		for {
			err := s.Append(t.Context(), batch)
			if err == nil {
				break
			}
			if !errors.Is(err, pgstore.ErrUnavailable) {
				t.Fatal(err)
			}
		}
		<-stopped
		want = append(want, batch...)
	}
	wantLog(t, s, want)
	wantRows(t, place, want)
}

// TestServerTimeouts are told as such, and certain.
func TestServerTimeouts(t *testing.T) {
	for key, code := range map[string]string{"statement_timeout": "57014", "lock_timeout": "55P03"} {
		direct := place(t)
		s := openSignals(t, direct, nil)
		hasty := openSignals(t, with(server(t), "ephemera_schema", schemaOf(t, direct), key, "50ms").String(), nil)
		conn := raw(t, direct)
		execute(t, conn, "BEGIN", "SELECT FROM signal_log FOR UPDATE")
		err := hasty.Append(t.Context(), series(1, 3))
		var fromServer *pgconn.PgError
		if !errors.Is(err, pgstore.ErrTimeout) || errors.Is(err, sinks.ErrUnknownOutcome) || !errors.As(err, &fromServer) || fromServer.Code != code {
			t.Errorf("%s: %v", key, err)
		}
		execute(t, conn, "COMMIT")
		wantLog(t, s, nil)
		must(t, hasty.Append(t.Context(), series(1, 3)))
	}
}

// TestContexts end a call wherever it is.
func TestContexts(t *testing.T) {
	place := place(t)
	s := openSignals(t, place, nil)
	conn := raw(t, place)
	execute(t, conn, "BEGIN", "LOCK signals, signal_log, leases")
	for what, call := range map[string]func(ctx context.Context) error{
		"append":  func(ctx context.Context) error { return s.Append(ctx, series(1, 3)) },
		"read":    func(ctx context.Context) error { _, err := s.Read(ctx, 0, 1); return err },
		"trim":    func(ctx context.Context) error { return s.Trim(ctx, 1) },
		"acquire": func(ctx context.Context) error { _, err := sinks.Acquire(ctx, s, sinks.Claim{Owner: "x"}); return err },
		"verify":  func(ctx context.Context) error { return sinks.Verify(ctx, s) },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		err := call(ctx)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, sinks.ErrUnknownOutcome) {
			t.Errorf("%s: %v", what, err)
		}
	}
	execute(t, conn, "COMMIT")
	wantLog(t, s, nil)
	must(t, s.Append(t.Context(), series(1, 3)))
}
