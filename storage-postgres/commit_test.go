package pgstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ephemera-go/ephemera/sinks"
	pgstore "github.com/ephemera-go/ephemera/storage-postgres"
)

// seeded prints its seed; EPHEMERA_SEED repeats a run.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("EPHEMERA_SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		must(t, err)
		seed = n
	}
	t.Logf("EPHEMERA_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

// appendUntil appends batches of random size until enough says so, repeats what ended without a known outcome, as callers
// do, and returns what must be stored now.
func appendUntil(t *testing.T, s sinks.SignalStore, random *rand.Rand, enough func() bool) (want []sinks.Signal, unknown int) {
	t.Helper()
	for next := uint64(1); !enough(); {
		last := next + random.Uint64N(60)
		batch := series(next, last)
		for {
			err := s.Append(t.Context(), batch)
			if err == nil {
				break
			}
			if !errors.Is(err, sinks.ErrUnknownOutcome) && !errors.Is(err, pgstore.ErrUnavailable) {
				t.Fatalf("append %d to %d: %v", next, last, err)
			}
			unknown++
		}
		want = append(want, batch...)
		next = last + 1
	}
	return want, unknown
}

// wantRows asks the server itself, past the store.
func wantRows(t *testing.T, place string, want []sinks.Signal) {
	t.Helper()
	conn := raw(t, place)
	var sequences []int64
	must(t, conn.QueryRow(t.Context(), "SELECT array_agg(sequence ORDER BY sequence) FROM signals").Scan(&sequences))
	expected := make([]int64, len(want))
	for i := range want {
		expected[i] = int64(want[i].Sequence)
	}
	if diff := cmp.Diff(expected, sequences); diff != "" {
		t.Errorf("rows differ (-want +got):\n%s", diff)
	}
}

// TestAmbiguousCommits loses the request or the answer of 200 commits, in every way.
func TestAmbiguousCommits(t *testing.T) {
	random := seeded(t)
	pgstore.SetIdleLimit(t, 200*time.Millisecond)
	const wanted = 200
	var mu sync.Mutex
	met := map[fate]int{}
	faults := 0
	ways := []fate{dropRequest, dropRequest, dropReply, dropReply, lie, kill, late, swallow}
	_, through := startProxy(t, func() fate {
		mu.Lock()
		defer mu.Unlock()
		if faults == wanted || random.IntN(2) == 0 {
			return pass
		}
		what := ways[random.IntN(len(ways))]
		if what == swallow && random.IntN(4) > 0 {
			what = dropReply // the other one waits for the server
		}
		met[what]++
		faults++
		return what
	})
	direct := place(t)
	schema := schemaOf(t, direct)
	s := openSignals(t, direct, nil) // so that the schema is there
	lossy := openSignals(t, with(through, "ephemera_schema", schema).String(), nil)
	want, unknown := appendUntil(t, lossy, random, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return faults >= wanted
	})
	t.Logf("%d signals, %d ambiguous commits, by fate %v; the caller learnt of %d", len(want), faults, met, unknown)
	if unknown > wanted/4 {
		t.Errorf("the store decided too few commits by itself: %d of %d reached the caller", unknown, wanted)
	}
	wantLog(t, s, want)
	wantRows(t, direct, want)
	must(t, sinks.Verify(t.Context(), s))
}

// TestRestarts crashes the server 20 times during appends.
func TestRestarts(t *testing.T) {
	place := place(t)
	restart := os.Getenv(restartVariable)
	if restart == "" {
		if os.Getenv(ciVariable) != "" {
			t.Fatal(restartVariable + " is not set")
		}
		t.Skip(restartVariable + " is not set")
	}
	random := seeded(t)
	s := openSignals(t, place, nil)
	restarts := 20
	if testing.Short() {
		restarts = 3
	}
	crashes, healthy := 0, 0
	var crashing chan error // nil: none is under way
	want, unknown := appendUntil(t, s, random, func() bool {
		switch {
		case crashing == nil && healthy > 0:
			healthy-- // some appends succeed between two crashes
		case crashing == nil:
			crashing = make(chan error, 1)
			go func() {
				out, err := exec.CommandContext(t.Context(), "sh", "-c", restart).CombinedOutput()
				if err != nil {
					err = fmt.Errorf("%w: %s", err, out)
				}
				crashing <- err
			}()
		case len(crashing) > 0:
			must(t, <-crashing)
			crashes++
			crashing, healthy = nil, random.IntN(6)
		}
		return crashes == restarts
	})
	t.Logf("%d signals over %d crashes; the caller had to repeat %d times", len(want), restarts, unknown)
	wantLog(t, s, want)
	wantRows(t, place, want)
	must(t, sinks.Verify(t.Context(), s))
}

// TestEveryWriteIsDecided loses one commit of each kind of write in each way; all of them succeed and are done once.
func TestEveryWriteIsDecided(t *testing.T) {
	pgstore.SetIdleLimit(t, 200*time.Millisecond)
	large := bytes.Repeat([]byte("0123456789abcdef"), 200_000) // four parts
	for what := dropRequest; what < fates; what++ {
		if what == hangRequest || what == hangReply {
			continue
		}
		direct := place(t)
		signals, blobs := openSignals(t, direct, nil), openBlobs(t, direct, nil)
		must(t, signals.Append(t.Context(), series(1, 9)))
		must(t, blobs.Put(t.Context(), "old", 3, strings.NewReader("old")))
		var countdown atomic.Int32
		_, u := startProxy(t, func() fate {
			if countdown.Add(-1) == 0 {
				return what
			}
			return pass
		})
		through := with(u, "ephemera_schema", schemaOf(t, direct), "ephemera_retry_timeout", "20s").String()
		s, b := openSignals(t, through, nil), openBlobs(t, through, nil)
		ctx := t.Context()
		lose := func(nth int32, name string, run func() error) {
			t.Helper()
			countdown.Store(nth)
			if err := run(); err != nil {
				t.Errorf("fate %d of commit %d of %s: %v", what, nth, name, err)
			}
			if countdown.Load() > 0 {
				t.Errorf("%s has fewer than %d commits", name, nth)
			}
		}
		lose(1, "append", func() error { return s.Append(ctx, series(10, 20)) })
		lose(1, "trim", func() error { return s.Trim(ctx, 2) })
		lose(1, "prune", func() error {
			n, err := sinks.Prune(ctx, s, time.Time{}, 1, 3) // more would be too many
			if err == nil && n != 3 {
				err = fmt.Errorf("%d removed", n)
			}
			return err
		})
		lose(1, "acquire", func() error {
			generation, err := sinks.Acquire(ctx, s, sinks.Claim{Owner: "x", TTL: time.Hour})
			if err == nil && generation != 1 {
				err = fmt.Errorf("generation %d", generation)
			}
			return err
		})
		lose(1, "renew", func() error { return sinks.Renew(ctx, s) })
		lose(1, "append of the holder", func() error { return s.Append(ctx, series(21, 21)) })
		lose(1, "release", func() error { return sinks.Release(ctx, s) })
		must(t, signals.Append(ctx, series(22, 22)))
		lose(1, "put", func() error { return b.Put(ctx, "small", 5, strings.NewReader("small")) })
		lose(1, "delete", func() error { return b.Delete(ctx, "old") })
		for nth := int32(1); nth <= 6; nth++ { // begin, four parts, publish
			lose(nth, "put of a large blob", func() error {
				return b.Put(ctx, fmt.Sprintf("large/%d", nth), int64(len(large)), bytes.NewReader(large))
			})
		}
		wantLog(t, signals, series(6, 22))
		list, err := blobs.List(ctx, "", "", 0)
		must(t, err)
		if len(list) != 7 || list[6].Name != "small" {
			t.Errorf("fate %d: blobs %v", what, list)
		}
		must(t, errors.Join(sinks.Verify(ctx, signals), sinks.Verify(ctx, blobs)))
		if n := value[int](t, raw(t, direct), "SELECT count(*) FROM blob_chunks"); n != 6*4+1 {
			t.Errorf("fate %d: %d parts", what, n)
		}
	}
}

// TestCommitAndContext: when nobody answers, the context ends the waiting and the outcome is unknown; repeating decides.
func TestCommitAndContext(t *testing.T) {
	for _, what := range []fate{hangRequest, hangReply} {
		direct := place(t)
		s := openSignals(t, direct, nil)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var armed atomic.Bool
		_, u := startProxy(t, func() fate {
			if armed.CompareAndSwap(true, false) {
				cancel() // the COMMIT was sent
				return what
			}
			return pass
		})
		lossy := openSignals(t, with(u, "ephemera_schema", schemaOf(t, direct)).String(), nil)
		armed.Store(true)
		if err := lossy.Append(ctx, series(1, 5)); !errors.Is(err, sinks.ErrUnknownOutcome) || !errors.Is(err, context.Canceled) {
			t.Errorf("fate %d: %v", what, err)
		}
		must(t, lossy.Append(t.Context(), series(1, 5)))
		wantLog(t, s, series(1, 5))
	}
}

// TestUndecided: when nothing can be found out, that is what the error says.
func TestUndecided(t *testing.T) {
	direct := place(t)
	s := openSignals(t, direct, nil)
	p, u := newProxy(t)
	p.decide = func() fate {
		_ = p.listener.Close() // nobody can ask any more
		return dropReply
	}
	p.serve(p.relay)
	lossy := openSignals(t, with(u, "ephemera_schema", schemaOf(t, direct), "ephemera_retry_timeout", "100ms").String(), nil)
	err := lossy.Append(t.Context(), series(1, 5))
	if !errors.Is(err, sinks.ErrUnknownOutcome) || !errors.Is(err, pgstore.ErrUnavailable) {
		t.Error(err)
	}
	wantLog(t, s, series(1, 5))
}

// TestDefiniteCommitError: an error of the server at COMMIT that left the connection usable is certain.
func TestDefiniteCommitError(t *testing.T) {
	place := place(t)
	s := openSignals(t, place, nil)
	conn := raw(t, place)
	execute(t, conn, `CREATE FUNCTION object() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'hunter2'; END $$`,
		`CREATE CONSTRAINT TRIGGER objecting AFTER INSERT ON signals DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION object()`)
	err := s.Append(t.Context(), series(1, 5))
	var server *pgconn.PgError
	if err == nil || errors.Is(err, sinks.ErrUnknownOutcome) || !errors.As(err, &server) || server.Code != "P0001" || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
	wantLog(t, s, nil)
	execute(t, conn, "DROP TRIGGER objecting ON signals")
	must(t, s.Append(t.Context(), series(1, 5)))
	wantLog(t, s, series(1, 5))
}

// TestFencedAfterALostCommit: the lease goes to somebody else before the store can look for the lost commit.
func TestFencedAfterALostCommit(t *testing.T) {
	for _, c := range []struct {
		what   fate
		stored []sinks.Signal
	}{{dropRequest, nil}, {dropReply, series(1, 5)}} {
		direct := place(t)
		other := openSignals(t, direct, nil)
		p, u := newProxy(t)
		var armed, lost atomic.Bool
		p.decide = func() fate {
			if armed.CompareAndSwap(true, false) {
				lost.Store(true)
				return c.what
			}
			return pass
		}
		dial := p.backend
		p.backend = func() (net.Conn, error) {
			if lost.CompareAndSwap(true, false) {
				eventually(t, "the lease runs out", func() bool {
					_, err := sinks.Acquire(t.Context(), other, sinks.Claim{Owner: "other", TTL: time.Hour})
					return err == nil
				})
			}
			return dial()
		}
		p.serve(p.relay)
		lossy := openSignals(t, with(u, "ephemera_schema", schemaOf(t, direct), "pool_max_conns", "1").String(), nil)
		_, err := sinks.Acquire(t.Context(), lossy, sinks.Claim{Owner: "lossy", TTL: 10 * time.Millisecond})
		must(t, err)
		armed.Store(true)
		err = lossy.Append(t.Context(), series(1, 5))
		if c.stored == nil && (!errors.Is(err, sinks.ErrFenced) || errors.Is(err, sinks.ErrUnknownOutcome)) || c.stored != nil && err != nil {
			t.Errorf("fate %d: %v", c.what, err)
		}
		if err := lossy.Append(t.Context(), series(6, 7)); !errors.Is(err, sinks.ErrFenced) {
			t.Errorf("afterwards: %v", err)
		}
		wantLog(t, other, c.stored)
	}
}

// TestLookingWaits: a lease that had run out is renewed beside a commit that has not arrived. The store must not say that
// the blob is not there while it may still come.
func TestLookingWaits(t *testing.T) {
	direct := place(t)
	holder := openBlobs(t, direct, nil)
	_, err := sinks.Acquire(t.Context(), holder, sinks.Claim{Owner: "holder", TTL: 300 * time.Millisecond})
	must(t, err)
	p, u := newProxy(t)
	var armed, renew atomic.Bool
	p.decide = func() fate {
		if armed.CompareAndSwap(true, false) {
			renew.Store(true)
			return late
		}
		return pass
	}
	dial := p.backend
	p.backend = func() (net.Conn, error) {
		if renew.CompareAndSwap(true, false) {
			if err := sinks.Renew(t.Context(), holder); err != nil {
				t.Error(err)
			}
		}
		return dial()
	}
	waits := make(chan struct{})
	p.moment = func() <-chan struct{} { return waits }
	p.serve(p.relay)
	lossy := openBlobs(t, with(u, "ephemera_schema", schemaOf(t, direct), "pool_max_conns", "1").String(), nil)
	// That others may write shows that the lease has run out.
	eventually(t, "the lease runs out", func() bool { return lossy.Put(t.Context(), "first", 1, strings.NewReader("x")) == nil })
	armed.Store(true)
	done := make(chan error, 1)
	go func() { done <- lossy.Put(t.Context(), "second", 1, strings.NewReader("x")) }()
	watch := superuser(t)
	eventually(t, "the store waits for the lost commit", func() bool {
		return len(done) == 1 || value[int](t, watch, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'") > 0
	})
	close(waits)
	if err := <-done; err != nil {
		t.Errorf("the commit arrived, and the store says %v", err)
	}
	list, err := holder.List(t.Context(), "", "", 0)
	if err != nil || len(list) != 2 {
		t.Errorf("%v, %v", list, err)
	}
}

// TestCancelledBeforeCommit: until the COMMIT is sent it is certain that nothing was committed.
func TestCancelledBeforeCommit(t *testing.T) {
	s := openSignals(t, place(t), nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := s.Write(ctx, cancel); !errors.Is(err, context.Canceled) || errors.Is(err, sinks.ErrUnknownOutcome) {
		t.Error(err)
	}
}
