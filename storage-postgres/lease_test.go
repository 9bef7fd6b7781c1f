package pgstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	pgstore "github.com/ephemera-go/ephemera/storage-postgres"
)

// TestTwoOwners: whoever was taken over is refused at once, also in the middle of its writes, and nothing of it gets in
// afterwards.
func TestTwoOwners(t *testing.T) {
	place := place(t)
	a, b := openSignals(t, place, nil), openSignals(t, place, nil)
	_, err := sinks.Acquire(t.Context(), a, sinks.Claim{Owner: "a", TTL: 20 * time.Millisecond})
	must(t, err)
	written := make(chan uint64, 1)
	stale := make(chan error, 1)
	go func() {
		last := uint64(0)
		for {
			if err := a.Append(t.Context(), series(last+1, last+3)); err != nil {
				written <- last
				stale <- err
				return
			}
			last += 3
		}
	}()
	eventually(t, "b takes over", func() bool {
		_, err := sinks.Acquire(t.Context(), b, sinks.Claim{Owner: "b", TTL: time.Hour})
		return err == nil
	})
	begin := time.Now()
	last := <-written
	if err := <-stale; !errors.Is(err, sinks.ErrFenced) {
		t.Errorf("the former holder: %v", err)
	}
	if waited := time.Since(begin); waited > time.Second {
		t.Errorf("the former holder wrote on for %v", waited)
	}
	wantLog(t, b, series(1, last))
	begin = time.Now()
	if err := a.Append(t.Context(), series(last+1, last+1)); !errors.Is(err, sinks.ErrFenced) || time.Since(begin) > time.Second {
		t.Errorf("the former holder again: %v after %v", err, time.Since(begin))
	}
	must(t, b.Append(t.Context(), series(last+1, last+3)))
	wantLog(t, b, series(1, last+3))
}

// TestTakeoverBesideWriters: writes that overlap all the time do not keep anybody from the lease.
func TestTakeoverBesideWriters(t *testing.T) {
	place := place(t, "pool_max_conns", "8")
	a, b := openBlobs(t, place, nil), openBlobs(t, place, nil)
	_, err := sinks.Acquire(t.Context(), a, sinks.Claim{Owner: "a", TTL: 10 * time.Millisecond})
	must(t, err)
	var group sync.WaitGroup
	var once sync.Once
	writing := make(chan struct{})
	for w := range 8 {
		group.Go(func() {
			for n := 0; ; n++ {
				err := a.Put(t.Context(), fmt.Sprintf("%d/%d", w, n), 1, strings.NewReader("x"))
				if err != nil {
					if !errors.Is(err, sinks.ErrFenced) {
						t.Error(err)
					}
					return
				}
				once.Do(func() { close(writing) })
			}
		})
	}
	<-writing
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		begin := time.Now()
		_, err := sinks.Acquire(ctx, b, sinks.Claim{Owner: "b", TTL: time.Hour})
		if err == nil {
			t.Logf("taken over in %v", time.Since(begin))
			break
		}
		if !errors.Is(err, sinks.ErrLeased) {
			t.Fatal(err)
		}
	}
	group.Wait()
	list, err := a.List(t.Context(), "", "", 0)
	must(t, err)
	must(t, b.Put(t.Context(), "b", 1, strings.NewReader("x")))
	after, err := a.List(t.Context(), "", "", 0)
	must(t, err)
	if len(after) != len(list)+1 {
		t.Errorf("%d blobs, then %d", len(list), len(after))
	}
}

// TestHangingClient: a client that hangs in a transaction does not keep its locks.
func TestHangingClient(t *testing.T) {
	pgstore.SetIdleLimit(t, 200*time.Millisecond)
	direct := place(t)
	b := openSignals(t, direct, nil)
	hanging, release := make(chan struct{}), make(chan struct{})
	var armed atomic.Bool
	p, u := newProxy(t)
	p.decide = func() fate {
		if armed.CompareAndSwap(true, false) {
			close(hanging)
			<-release
		}
		return pass
	}
	p.serve(p.relay)
	a := openSignals(t, with(u, "ephemera_schema", schemaOf(t, direct)).String(), nil)
	_, err := sinks.Acquire(t.Context(), a, sinks.Claim{Owner: "a", TTL: 10 * time.Millisecond})
	must(t, err)
	armed.Store(true)
	done := make(chan error, 1)
	go func() { done <- a.Append(t.Context(), series(1, 3)) }()
	<-hanging
	eventually(t, "b takes over", func() bool {
		_, err := sinks.Acquire(t.Context(), b, sinks.Claim{Owner: "b", TTL: time.Hour})
		return err == nil
	})
	close(release)
	if err := <-done; !errors.Is(err, sinks.ErrFenced) || errors.Is(err, sinks.ErrUnknownOutcome) {
		t.Errorf("who had hung: %v", err)
	}
	wantLog(t, b, nil)
}

// TestRenewBesideAWrite: a renewal waits for no write of the handle.
func TestRenewBesideAWrite(t *testing.T) {
	place := place(t)
	s := openSignals(t, place, nil)
	_, err := sinks.Acquire(t.Context(), s, sinks.Claim{Owner: "a"})
	must(t, err)
	conn := raw(t, place)
	execute(t, conn, "BEGIN", "SELECT FROM signal_log FOR UPDATE")
	done := make(chan error, 1)
	go func() { done <- s.Append(t.Context(), series(1, 3)) }()
	watch := superuser(t)
	eventually(t, "the append waits", func() bool {
		return value[int](t, watch, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1", "%"+schemaOf(t, place)+"%") == 1
	})
	must(t, sinks.Renew(t.Context(), s))
	execute(t, conn, "COMMIT")
	must(t, <-done)
}

// TestClockWentBack: an end beyond every TTL says nothing.
func TestClockWentBack(t *testing.T) {
	place := place(t)
	a, b := openSignals(t, place, nil), openSignals(t, place, nil)
	_, err := sinks.Acquire(t.Context(), a, sinks.Claim{Owner: "a", TTL: time.Hour})
	must(t, err)
	execute(t, raw(t, place), "UPDATE leases SET expires = now() + interval '3 days'")
	generation, err := sinks.Acquire(t.Context(), b, sinks.Claim{Owner: "b"})
	if err != nil || generation != 2 {
		t.Errorf("generation %d, %v", generation, err)
	}
}
