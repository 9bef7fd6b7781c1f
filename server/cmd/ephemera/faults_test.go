package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/faultstore"
)

// faulty is a driver of files that fail as the plans say, which it finds by the path of the URL.
type faulty struct{ plans sync.Map }

var planned faulty

func init() { sinks.Register("faulty", &planned) }

func (f *faulty) plan(u *url.URL) *faultstore.Plan {
	p, _ := f.plans.Load(u.Path)
	return p.(*faultstore.Plan)
}

// OpenBlobs opens files.
func (f *faulty) OpenBlobs(ctx context.Context, u *url.URL) (sinks.BlobStore, error) {
	s, err := sinks.OpenBlobs(ctx, "file:"+u.Path)
	if err != nil {
		return nil, err
	}
	return faultstore.Blobs(s, f.plan(u)), nil
}

// OpenSignals opens files.
func (f *faulty) OpenSignals(ctx context.Context, u *url.URL) (sinks.SignalStore, error) {
	s, err := sinks.OpenSignals(ctx, "file:"+u.Path)
	if err != nil {
		return nil, err
	}
	return faultstore.Signals(s, f.plan(u)), nil
}

// faults returns the URL of what lies at a path, with failures made to order.
func faults(t *testing.T, path, plan string) (string, *faultstore.Plan) {
	t.Helper()
	p, err := faultstore.Parse(plan)
	if err != nil {
		t.Fatal(err)
	}
	planned.plans.Store(path, p)
	return "faulty://" + path, p
}

// TestStopWhileRestoring: a server that is stopped before everything is back ends at once, with code 0, and changes nothing: the
// next start has everything, under the same epoch.
func TestStopWhileRestoring(t *testing.T) {
	dir := t.TempDir()
	r := serve(t, dir)
	orders(r)
	epoch := r.want(200, nil, "GET", "/streams/orders/eu", "").header.Get("Ephemera-Epoch")
	r.want(http.StatusCreated, nil, "POST", "/metrics", `{"label":"a","value":7}`)
	r.stop()
	stopped := 0
	for call := uint64(1); ; call++ { // of Open: manifests and objects, of streams and of metrics
		at, plan := faults(t, filepath.Join(dir, "snapshots"), fmt.Sprintf("open:%d stall", call))
		r = run(t, "serve", "--listen", "127.0.0.1:0", "--data", dir, "--snapshots", at)
		r.url = r.out.wait(t, `listening on (\S+),`, r.over)
		for plan.Calls("open") < call && r.do("GET", "/readyz", "").status != http.StatusOK { // until one of them
		}
		if plan.Calls("open") < call {
			plan.Clear() // saving reads, too
			r.stop()
			break
		}
		if got := r.do("GET", "/readyz", ""); got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "restoring") {
			t.Errorf("open %d: %+v", call, got)
		}
		if code := r.stop(); code != 0 || strings.Contains(r.out.String(), "ready:") {
			t.Errorf("stopped in open %d: exit code %d: %s%s", call, code, r.out, r.err)
		}
		stopped++
	}
	if stopped < 4 {
		t.Errorf("stopped %d times; two snapshots with an object each are more", stopped)
	}
	r = serve(t, dir)
	var all []event
	var sum float64
	got := r.want(200, &all, "GET", "/streams/orders/eu", "")
	r.want(200, &sum, "GET", "/metrics/sum?label=a", "")
	if len(all) != 3 || sum != 7 || got.header.Get("Ephemera-Epoch") != epoch {
		t.Errorf("%d events, a sum of %v, epoch %s, want %s: %s", len(all), sum, got.header.Get("Ephemera-Epoch"), epoch, r.out)
	}
}

// TestHurryWhileSavingHangs: a second signal ends a server whose places do not answer, before their leases would end. It names
// what it could not save, with code 6.
func TestHurryWhileSavingHangs(t *testing.T) {
	t.Parallel() // it waits for what hangs
	dir := t.TempDir()
	snapshots, _ := faults(t, filepath.Join(dir, "snapshots"), "put:* stall; release:* stall")
	signals, _ := faults(t, filepath.Join(dir, "signals"), "append:* stall; release:* stall")
	r := serve(t, dir, "--snapshots", snapshots, "--signals", signals, "--snapshot-interval", "1h", "--final-timeout", "10s")
	r.want(http.StatusCreated, nil, "POST", "/streams/a", `[{"data":1},{"data":2}]`)
	r.want(http.StatusCreated, nil, "POST", "/signals", `{"name":"a"}`)
	r.signals <- syscall.SIGTERM
	r.out.wait(t, "(?m)^saving$", r.over)
	begin := time.Now()
	r.signals <- syscall.SIGTERM
	code, took := r.end(), time.Since(begin)
	if text := r.err.String(); code != 6 || !strings.Contains(text, "not everything was saved") || !strings.Contains(text, "2 events") ||
		!strings.Contains(text, "1 signals") {
		t.Errorf("exit code %d: %s", code, text)
	}
	if took >= sinks.DefaultTTL { // 2 s for saving, a tenth of the final timeout, and one for giving back
		t.Errorf("it took %v", took)
	}
}

// TestLeaseLost: a server that another process took over stops by itself with code 6, says so, and names what it could not save.
func TestLeaseLost(t *testing.T) {
	t.Parallel() // it waits for the lease
	dir := t.TempDir()
	at, plan := faults(t, filepath.Join(dir, "snapshots"), "renew:1+ error fenced; put:4+ error fenced")
	r := serve(t, dir, "--snapshots", at, "--snapshot-interval", "1h")
	r.want(http.StatusOK, nil, "POST", "/admin/snapshot", "")
	r.want(http.StatusCreated, nil, "POST", "/streams/a", `[{"data":1},{"data":2}]`)
	code := r.end()
	if text := r.err.String(); code != 6 || !strings.Contains(text, "another process took over") || !strings.Contains(text, "not everything was saved") ||
		!strings.Contains(text, "2 events") {
		t.Errorf("exit code %d: %s", code, text)
	}
	if plan.Injected() == 0 {
		t.Error("nothing failed, so this proves nothing")
	}
}
