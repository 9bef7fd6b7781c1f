package s3store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

// childVariable makes the test binary another process, which holds the leases of a URL until it is killed.
const childVariable = "S3STORE_CHILD"

func TestMain(m *testing.M) {
	place := os.Getenv(childVariable)
	if place == "" {
		os.Exit(m.Run())
	}
	if err := holdInChild(context.Background(), place); err != nil {
		fmt.Println("ERROR", err)
		os.Exit(3)
	}
}

func holdInChild(ctx context.Context, place string) error {
	b, err := sinks.OpenBlobs(ctx, place)
	if err != nil {
		return err
	}
	s, err := sinks.OpenSignals(ctx, place)
	if err != nil {
		return err
	}
	claim := sinks.Claim{Owner: "the child", TTL: time.Hour}
	_, errBlobs := sinks.Acquire(ctx, b, claim)
	_, errSignals := sinks.Acquire(ctx, s, claim)
	if err := errors.Join(errBlobs, errSignals, s.Append(ctx, series(1, 5))); err != nil {
		return err
	}
	fmt.Println("HELD")
	_, err = io.Copy(io.Discard, os.Stdin) // until the parent kills it
	return err
}

func startChild(t *testing.T, place string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	must(t, err)
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), childVariable+"="+place)
	cmd.Stderr = os.Stderr
	_, err = cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "HELD" {
		t.Fatalf("the child says %q", lines.Text())
	}
	return cmd
}

// TestLeaseOfAKilledProcess is taken over at once, long before its TTL.
func TestLeaseOfAKilledProcess(t *testing.T) {
	_, place := fakePlace(t)
	ctx := t.Context()
	b, s := openBlobs(t, place), openSignals(t, place)
	child := startChild(t, place)
	for what, err := range map[string]error{"put": put(ctx, b, "a", nil), "append": s.Append(ctx, series(6, 7)), "trim": s.Trim(ctx, 2)} {
		wantErr(t, what+" beside the holder", err, sinks.ErrLeased)
		if err != nil && !strings.Contains(err.Error(), "the child") {
			t.Errorf("%v does not name the holder", err)
		}
	}
	_, err := sinks.Acquire(ctx, s, sinks.Claim{})
	wantErr(t, "acquire beside the holder", err, sinks.ErrLeased)
	must(t, child.Process.Kill())
	if child.Wait() == nil {
		t.Fatal("the child ended well in spite of SIGKILL")
	}
	must(t, put(ctx, b, "a", nil))
	generation, err := sinks.Acquire(ctx, s, sinks.Claim{})
	if err != nil || generation != 2 {
		t.Errorf("generation %d, %v", generation, err)
	}
	must(t, s.Append(ctx, series(6, 7)))
	wantLog(t, s, series(1, 7))
	must(t, sinks.Verify(ctx, s))
}

// TestLeaseByTheClockOfTheServer: how wrong the clocks of writers are does not matter.
func TestLeaseByTheClockOfTheServer(t *testing.T) {
	for _, wrong := range []time.Duration{0, -5 * time.Hour, 5 * time.Hour} {
		fake, place := fakePlace(t)
		fake.advance(wrong)
		ctx := t.Context()
		a, b := openBlobs(t, place), openBlobs(t, place)
		claim := sinks.Claim{TTL: 10 * time.Second}
		_, err := sinks.Acquire(ctx, a, claim)
		must(t, err)
		fake.advance(9 * time.Second)
		wantErr(t, "put before the TTL", put(ctx, b, "x", nil), sinks.ErrLeased)
		must(t, sinks.Renew(ctx, a))
		fake.advance(9 * time.Second)
		wantErr(t, "put before the TTL after renewing", put(ctx, b, "x", nil), sinks.ErrLeased)
		fake.advance(3 * time.Second)
		must(t, put(ctx, b, "x", nil))
		_, err = sinks.Acquire(ctx, b, claim)
		must(t, err)
		wantErr(t, "renewing what was taken over", sinks.Renew(ctx, a), sinks.ErrFenced)
		must(t, sinks.Release(ctx, a)) // does nothing to the lease of another one
		wantErr(t, "put beside the holder", put(ctx, openBlobs(t, place), "y", nil), sinks.ErrLeased)
	}
}

// TestLeaseWithoutClock: a server that does not tell the time takes nobody's lease away.
func TestLeaseWithoutClock(t *testing.T) {
	fake, _ := fakePlace(t)
	p := newProxy(t, fake)
	p.arm(&rule{method: "GET", end: ".state", do: reply(func(h http.Header, b []byte) []byte { h["Date"] = nil; return b })})
	ctx := t.Context()
	a, b := openBlobs(t, placeOn(p.URL)), openBlobs(t, placeOn(p.URL))
	_, err := sinks.Acquire(ctx, a, sinks.Claim{TTL: 10 * time.Second})
	must(t, err)
	fake.advance(time.Hour)
	wantErr(t, "put", put(ctx, b, "x", nil), sinks.ErrLeased)
	must(t, sinks.Release(ctx, a))
	must(t, put(ctx, b, "x", nil))
}

// TestCloseWithoutServer: a handle that could not give up its lease when it was closed holds nothing all the same.
func TestCloseWithoutServer(t *testing.T) {
	fake, _ := fakePlace(t)
	p := newProxy(t, fake)
	ctx := t.Context()
	a, b := openSignals(t, placeOn(p.URL)), openSignals(t, placeOn(p.URL))
	_, err := sinks.Acquire(ctx, a, sinks.Claim{TTL: time.Hour})
	must(t, err)
	wantErr(t, "append beside the holder", b.Append(ctx, series(1, 2)), sinks.ErrLeased)
	p.arm(&rule{method: "PUT", end: "signals.state", do: hangUp})
	if a.Close() == nil {
		t.Error("the lease could not be released, and Close did not say so")
	}
	p.arm(nil)
	must(t, b.Append(ctx, series(1, 2)))
	generation, err := sinks.Acquire(ctx, b, sinks.Claim{})
	if err != nil || generation != 2 {
		t.Errorf("generation %d, %v", generation, err)
	}
}

// gate holds requests back.
type gate struct{ arrived, open chan struct{} }

func newGate() *gate { return &gate{make(chan struct{}), make(chan struct{})} }

func (g *gate) hold(w http.ResponseWriter, r *http.Request, next http.Handler) {
	close(g.arrived)
	<-g.open
	next.ServeHTTP(w, r)
}

// TestStaleAppendIsFenced: an append that was on its way when the lease was taken over arrives too late to do anything.
func TestStaleAppendIsFenced(t *testing.T) {
	for name, first := range map[string]bool{"held": true, "not held": false} {
		t.Run(name, func(t *testing.T) {
			fake, place := fakePlace(t)
			p := newProxy(t, fake)
			ctx := t.Context()
			a, b := openSignals(t, placeOn(p.URL)), openSignals(t, place)
			want := sinks.ErrLeased
			if first {
				want = sinks.ErrFenced
				_, err := sinks.Acquire(ctx, a, sinks.Claim{TTL: 10 * time.Second})
				must(t, err)
			}
			must(t, a.Append(ctx, series(1, 5)))
			g := newGate()
			p.arm(&rule{method: "PUT", begin: "/signals/", times: 1, do: g.hold})
			late := make(chan error)
			go func() { late <- a.Append(ctx, series(6, 9)) }()
			<-g.arrived
			fake.advance(12 * time.Second)
			_, err := sinks.Acquire(ctx, b, sinks.Claim{TTL: time.Hour})
			must(t, err)
			close(g.open)
			wantErr(t, "the late append", <-late, want)
			wantLog(t, b, series(1, 5))
			must(t, b.Append(ctx, series(6, 7)))
			wantErr(t, "the next append", a.Append(ctx, series(6, 9)), want)
			wantErr(t, "a trim", a.Trim(ctx, 3), want)
			wantLog(t, b, series(1, 7))
			must(t, sinks.Verify(ctx, b))
		})
	}
}

// TestStaleTrimIsFenced is the same for a trim.
func TestStaleTrimIsFenced(t *testing.T) {
	fake, place := fakePlace(t)
	p := newProxy(t, fake)
	ctx := t.Context()
	a, b := openSignals(t, placeOn(p.URL)), openSignals(t, place)
	_, err := sinks.Acquire(ctx, a, sinks.Claim{TTL: 10 * time.Second})
	must(t, err)
	must(t, a.Append(ctx, series(1, 5)))
	g := newGate()
	p.arm(&rule{method: "PUT", end: "signals.state", times: 1, do: g.hold})
	late := make(chan error)
	go func() { late <- a.Trim(ctx, 4) }()
	<-g.arrived
	fake.advance(12 * time.Second)
	_, err = sinks.Acquire(ctx, b, sinks.Claim{TTL: time.Hour})
	must(t, err)
	close(g.open)
	wantErr(t, "the late trim", <-late, sinks.ErrFenced)
	wantLog(t, b, series(1, 5))
}

// TestLateRenewalExcludes: a lease that ran out and is renewed keeps out those who wrote meanwhile, whatever they know.
func TestLateRenewalExcludes(t *testing.T) {
	fake, place := fakePlace(t)
	ctx := t.Context()
	a, b := openSignals(t, place), openSignals(t, place)
	_, err := sinks.Acquire(ctx, a, sinks.Claim{TTL: 10 * time.Second})
	must(t, err)
	fake.advance(12 * time.Second)
	must(t, b.Append(ctx, series(1, 3)))
	must(t, sinks.Renew(ctx, a))
	wantErr(t, "append after the renewal", b.Append(ctx, series(4, 5)), sinks.ErrLeased)
	must(t, a.Append(ctx, series(4, 6)))
	wantLog(t, b, series(1, 6))
	// A trim by others does not let the lease begin anew.
	fake.advance(12 * time.Second)
	must(t, b.Trim(ctx, 1))
	must(t, b.Append(ctx, series(7, 7)))
	must(t, sinks.Renew(ctx, a))
	wantErr(t, "append after the second renewal", b.Append(ctx, series(8, 8)), sinks.ErrLeased)
	wantLog(t, b, series(2, 7))
	must(t, sinks.Verify(ctx, a))
}

// TestUnknownAcquisitionExcludes: a lease that was taken without the taker learning of it keeps out those who knew of none as
// soon as the taker knows.
func TestUnknownAcquisitionExcludes(t *testing.T) {
	fake, place := fakePlace(t)
	p := newProxy(t, fake)
	ctx := t.Context()
	a, b := openSignals(t, placeOn(p.URL)), openSignals(t, place)
	must(t, b.Append(ctx, series(1, 3)))
	deaf := false
	p.arm(&rule{end: "signals.state", do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if !deaf {
			next.ServeHTTP(httptest.NewRecorder(), r)
			deaf = r.Method == http.MethodPut
			if !deaf {
				next.ServeHTTP(w, r)
				return
			}
		}
		panic(http.ErrAbortHandler)
	}})
	_, err := sinks.Acquire(ctx, a, sinks.Claim{TTL: time.Hour})
	wantErr(t, "acquire without an answer", err, sinks.ErrUnknownOutcome)
	p.arm(nil)
	must(t, a.Trim(ctx, 1)) // it holds the lease, whether it knows or not
	generation, err := sinks.Acquire(ctx, a, sinks.Claim{TTL: time.Hour})
	if err != nil || generation != 1 {
		t.Errorf("generation %d, %v", generation, err)
	}
	wantErr(t, "append of one who knew of no lease", b.Append(ctx, series(4, 5)), sinks.ErrLeased)
	must(t, a.Append(ctx, series(4, 6)))
	wantLog(t, b, series(2, 6))
	must(t, sinks.Verify(ctx, b))
}

// TestRenewedBeneathATakeover: who saw that a lease had run out comes too late when it has been renewed since.
func TestRenewedBeneathATakeover(t *testing.T) {
	fake, place := fakePlace(t)
	p := newProxy(t, fake)
	ctx := t.Context()
	a, b := openBlobs(t, place), openBlobs(t, placeOn(p.URL))
	_, err := sinks.Acquire(ctx, a, sinks.Claim{TTL: 10 * time.Second})
	must(t, err)
	fake.advance(12 * time.Second)
	g := newGate()
	p.arm(&rule{method: "PUT", end: "blobs.state", times: 1, do: g.hold})
	late := make(chan error)
	go func() {
		_, err := sinks.Acquire(ctx, b, sinks.Claim{})
		late <- err
	}()
	<-g.arrived
	must(t, sinks.Renew(ctx, a))
	close(g.open)
	wantErr(t, "the late takeover", <-late, sinks.ErrLeased)
	must(t, put(ctx, a, "x", nil))
}

// TestStaleBlobs shows the rule for blobs: the lease is asked before every attempt, and an upload that is on its way then
// cannot be called back.
func TestStaleBlobs(t *testing.T) {
	fake, place := fakePlace(t)
	p := newProxy(t, fake)
	ctx := t.Context()
	a, b := openBlobs(t, placeOn(p.URL)), openBlobs(t, place)
	_, err := sinks.Acquire(ctx, a, sinks.Claim{TTL: 10 * time.Second})
	must(t, err)
	takeOver := func() {
		fake.advance(12 * time.Second)
		_, err := sinks.Acquire(ctx, b, sinks.Claim{TTL: 10 * time.Second})
		must(t, err)
	}
	g := newGate()
	p.arm(&rule{method: "PUT", end: "late!", times: 1, do: g.hold})
	late := make(chan error)
	go func() { late <- put(ctx, a, "late", nil) }()
	<-g.arrived
	takeOver()
	close(g.open)
	must(t, <-late)
	wantErr(t, "the next put", put(ctx, a, "next", nil), sinks.ErrFenced)
	wantErr(t, "a delete", a.Delete(ctx, "late"), sinks.ErrFenced)

	// An attempt that failed is not repeated after the lease was lost.
	must(t, sinks.Release(ctx, b))
	_, err = sinks.Acquire(ctx, a, sinks.Claim{TTL: 10 * time.Second})
	must(t, err)
	g = newGate()
	p.arm(&rule{method: "PUT", end: "second!", times: 1, do: func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		g.hold(httptest.NewRecorder(), r, http.NotFoundHandler())
		answer(503, "SlowDown")(w, r, nil)
	}})
	go func() { late <- put(ctx, a, "second", nil) }()
	<-g.arrived
	takeOver()
	close(g.open)
	wantErr(t, "the put that was repeated", <-late, sinks.ErrFenced)
	_, _, err = b.Open(ctx, "second")
	wantErr(t, "open", err, sinks.ErrNotFound)
}

// TestGenerationsAreUnique lets many handles take and give the lease at once: on a real server, because its conditional
// writes decide.
func TestGenerationsAreUnique(t *testing.T) {
	u := root(t).String()
	const handles, rounds = 4, 8
	ctx := t.Context()
	var mu sync.Mutex
	seen := map[uint64]bool{}
	var group sync.WaitGroup
	problems := make([]error, handles)
	for i := range handles {
		s := openSignals(t, u)
		group.Go(func() {
			for n := 0; n < rounds && problems[i] == nil; {
				generation, err := sinks.Acquire(ctx, s, sinks.Claim{TTL: time.Hour})
				if errors.Is(err, sinks.ErrLeased) {
					continue // that another one holds it is progress
				}
				mu.Lock()
				if err == nil && seen[generation] {
					err = fmt.Errorf("generation %d was given twice", generation)
				}
				seen[generation] = true
				mu.Unlock()
				n++
				problems[i] = errors.Join(err, sinks.Release(ctx, s))
			}
		})
	}
	group.Wait()
	must(t, errors.Join(problems...))
	if len(seen) != handles*rounds {
		t.Errorf("%d generations", len(seen))
	}
	must(t, sinks.Verify(ctx, openSignals(t, u)))
}
