package s3store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ephemera-go/ephemera/sinks"
	s3store "github.com/ephemera-go/ephemera/storage-s3"
)

// TestTrimmedAwayBeneathAWriter: a handle that has not seen that others appended and trimmed would write where nobody
// reads. Nothing that it confirms is lost, and nothing stays there.
func TestTrimmedAwayBeneathAWriter(t *testing.T) {
	fake, place := fakePlace(t)
	ctx := t.Context()
	a, b := openSignals(t, place), openSignals(t, place)
	must(t, a.Append(ctx, series(1, 2)))
	for n := uint64(3); n <= 9; n++ {
		must(t, b.Append(ctx, series(n, n)))
	}
	must(t, b.Trim(ctx, 8)) // the objects that a would write next are gone
	before := len(fake.keys())
	wantErr(t, "append of other signals", a.Append(ctx, series(3, 5)), nil) // they were trimmed: nothing to do
	bad := signalAt(9)
	bad.Name = "other"
	wantErr(t, "append of a conflict", a.Append(ctx, []sinks.Signal{bad}), sinks.ErrConflict)
	must(t, a.Append(ctx, series(10, 12)))
	wantLog(t, b, series(9, 12))
	if after := len(fake.keys()); after != before+1 {
		t.Errorf("%d objects, then %d: %q", before, after, fake.keys())
	}
	must(t, sinks.Verify(ctx, b))

	// What a killed writer leaves there is in nobody's way, and the next trim removes it.
	fake.mu.Lock()
	fake.objects["place/signals/"+fmt.Sprintf("%016x", ^uint64(2))] = fakeObject{content: []byte("left behind")}
	fake.mu.Unlock()
	must(t, errors.Join(b.Append(ctx, series(13, 13)), sinks.Verify(ctx, openSignals(t, place))))
	must(t, b.Trim(ctx, 9))
	if after := len(fake.keys()); after != before+1 {
		t.Errorf("%d objects, then %d: %q", before, after, fake.keys())
	}
}

// TestTrimmedWhileReading: objects that go while they are read are not damage.
func TestTrimmedWhileReading(t *testing.T) {
	fake, place := fakePlace(t)
	p := newProxy(t, fake)
	ctx := t.Context()
	a, b := openSignals(t, placeOn(p.URL)), openSignals(t, place)
	for n := uint64(1); n <= 60; n += 2 {
		must(t, b.Append(ctx, series(n, n+1)))
	}
	reads := map[string]func() ([]sinks.Signal, error){
		"read":        func() ([]sinks.Signal, error) { return a.Read(ctx, 0, 1000) },
		"read newest": func() ([]sinks.Signal, error) { return a.ReadNewest(ctx, 0, 1000) },
	}
	low := uint64(1)
	for name, read := range reads {
		for range 5 {
			g := newGate()
			p.arm(&rule{method: "GET", begin: "/signals/", times: 1, do: g.hold})
			type result struct {
				signals []sinks.Signal
				err     error
			}
			done := make(chan result)
			go func() {
				signals, err := read()
				done <- result{signals, err}
			}()
			<-g.arrived
			must(t, b.Trim(ctx, low+2))
			low += 3
			close(g.open)
			got := <-done
			must(t, got.err)
			// The log before the trim, or after it.
			if n := uint64(len(got.signals)); n == 0 || cmp.Diff(series(61-n, 60), got.signals) != "" {
				t.Errorf("%s: %d signals", name, n)
			}
		}
	}
}

// TestTrimmedSinceItWasEmpty: a reader that saw no object yet, and then the state of a log that has been written and
// trimmed meanwhile, misses nothing.
func TestTrimmedSinceItWasEmpty(t *testing.T) {
	fake, place := fakePlace(t)
	p := newProxy(t, fake)
	ctx := t.Context()
	a, b := openSignals(t, placeOn(p.URL)), openSignals(t, place)
	g := newGate()
	p.arm(&rule{method: "GET", begin: "/signals.state", times: 1, do: g.hold})
	read := make(chan error, 1)
	var signals []sinks.Signal
	go func() {
		var err error
		signals, err = a.Read(ctx, 0, 1000)
		read <- err
	}()
	<-g.arrived // behind the listing
	for n := uint64(1); n <= 6; n += 2 {
		must(t, b.Append(ctx, series(n, n+1)))
	}
	must(t, b.Trim(ctx, 4))
	close(g.open)
	must(t, <-read)
	if diff := cmp.Diff(series(5, 6), signals); diff != "" {
		t.Error(diff)
	}
}

// TestStaleObjectIsNotRead: a reader that comes between a write where others have trimmed and the moment when its writer
// notices takes it neither for a part of the log nor for damage.
func TestStaleObjectIsNotRead(t *testing.T) {
	for _, c := range []struct {
		trim  uint64
		limit int
		want  []sinks.Signal
	}{
		{4, 1, series(5, 5)},
		{4, 10, series(5, 6)},
		{2, 10, series(3, 6)}, // the stale object is beside one of the log
	} {
		fake, place := fakePlace(t)
		stale, slow := newProxy(t, fake), newProxy(t, fake)
		ctx := t.Context()
		a, b, reader := openSignals(t, placeOn(stale.URL)), openSignals(t, place), openSignals(t, placeOn(slow.URL))
		must(t, a.Append(ctx, series(1, 1)))
		for n := uint64(2); n <= 6; n++ {
			must(t, b.Append(ctx, series(n, n)))
		}
		wantLog(t, reader, series(1, 6)) // it knows all headers from now on
		atObject, atState := newGate(), newGate()
		slow.arm(&rule{method: "GET", end: "fffd", times: 1, do: atObject.hold}) // the second object
		read := make(chan []sinks.Signal)
		go func() {
			signals, err := reader.Read(ctx, 1, c.limit)
			if err != nil {
				t.Error(err)
			}
			read <- signals
		}()
		<-atObject.arrived
		must(t, b.Trim(ctx, c.trim))
		stale.arm(&rule{method: "GET", end: "signals.state", times: 1, do: atState.hold})
		other := signalAt(2)
		other.Name = "never stored"
		appended := make(chan error)
		go func() { appended <- a.Append(ctx, []sinks.Signal{other}) }()
		<-atState.arrived // its object is there
		close(atObject.open)
		if diff := cmp.Diff(c.want, <-read); diff != "" {
			t.Errorf("read (-want +got):\n%s", diff)
		}
		close(atState.open)
		must(t, <-appended) // it was trimmed: nothing to do
		wantLog(t, reader, series(c.trim+1, 6))
		must(t, sinks.Verify(ctx, b))
	}
}

// TestLongLog has more objects than one listing holds, and more than are fetched together.
func TestLongLog(t *testing.T) {
	fake, place := fakePlace(t)
	ctx := t.Context()
	s := openSignals(t, place)
	const last = 2300
	for n := uint64(1); n <= last; n++ {
		must(t, s.Append(ctx, series(n, n)))
	}
	cold := openSignals(t, place)
	fake.counted()
	newest, err := cold.ReadNewest(ctx, 0, 1)
	must(t, err)
	if n := fake.counted(); len(newest) != 1 || newest[0].Sequence != last || n["LIST"] != 1 || n["GET"] > 3 {
		t.Errorf("the newest of %d took %v", last, n)
	}
	middle, err := cold.Read(ctx, 1150, 3)
	must(t, err)
	if n := fake.counted(); len(middle) != 3 || middle[0].Sequence != 1151 || n["LIST"] > 3 || n["GET"] > 20 {
		t.Errorf("three of the middle of %d took %v", last, n)
	}
	wantLog(t, cold, series(1, last))
	must(t, sinks.Verify(ctx, cold))
	removed, err := sinks.Prune(ctx, s, time.Time{}, 100, last)
	if err != nil || removed != last-100 {
		t.Errorf("removed %d, %v", removed, err)
	}
	wantLog(t, cold, series(last-99, last))
	if n := len(fake.keys()); n != 101 {
		t.Errorf("%d objects are left of 100 and the state", n)
	}
	must(t, sinks.Verify(ctx, cold))
}

// TestRequests: how many requests calls make is what they cost.
func TestRequests(t *testing.T) {
	fake, place := fakePlace(t)
	ctx := t.Context()
	b, s := openBlobs(t, place), openSignals(t, place)
	must(t, s.Append(ctx, series(1, 3)))
	fake.counted()
	for _, c := range []struct {
		what string
		call func() error
		want map[string]int
	}{
		{"append", func() error { return s.Append(ctx, series(4, 6)) }, map[string]int{"PUT": 1, "GET": 1}},
		{"append again", func() error { return s.Append(ctx, series(4, 6)) }, map[string]int{"GET": 2}},
		{"put", func() error { return put(ctx, b, "a", nil) }, map[string]int{"PUT": 1, "GET": 1}},
		{"put of a taken name", func() error {
			if err := put(ctx, b, "a", nil); !errors.Is(err, sinks.ErrExists) {
				return err
			}
			return nil
		}, map[string]int{"PUT": 1, "GET": 1, "HEAD": 1}},
		{"open", func() error { _, err := get(ctx, b, "a"); return err }, map[string]int{"GET": 1}},
		{"list", func() error { _, err := b.List(ctx, "", "", 0); return err }, map[string]int{"LIST": 1}},
		{"list on", func() error { _, err := b.List(ctx, "dir/", "dir/x", 5); return err }, map[string]int{"LIST": 1}},
		{"delete", func() error { return b.Delete(ctx, "a") }, map[string]int{"DELETE": 1, "GET": 1}},
		{"stat", func() error { _, err := s.Stat(ctx); return err }, map[string]int{"LIST": 1, "GET": 2}},
		{"stat again", func() error { _, err := s.Stat(ctx); return err }, map[string]int{"LIST": 1, "GET": 1}},
		{"read the newest", func() error { _, err := s.ReadNewest(ctx, 0, 2); return err }, map[string]int{"LIST": 1, "GET": 3}},
		{"acquire", func() error { _, err := sinks.Acquire(ctx, b, sinks.Claim{}); return err }, map[string]int{"GET": 1, "PUT": 1}},
		{"renew", func() error { return sinks.Renew(ctx, b) }, map[string]int{"GET": 1, "PUT": 1}},
		{"put as holder", func() error { return put(ctx, b, "b", nil) }, map[string]int{"PUT": 1, "GET": 1}},
		{"acquire a log", func() error { _, err := sinks.Acquire(ctx, s, sinks.Claim{}); return err }, map[string]int{"GET": 3, "PUT": 2, "LIST": 1}},
		{"append as holder", func() error { return s.Append(ctx, series(7, 9)) }, map[string]int{"PUT": 1, "GET": 1}},
		{"trim", func() error { return s.Trim(ctx, 6) }, map[string]int{"LIST": 3, "GET": 1, "PUT": 1, "POST": 1}},
		{"open blobs", func() error { openBlobs(t, place); return nil }, map[string]int{"LIST": 1, "GET": 1, "PUT": 4, "HEAD": 3, "DELETE": 1}},
		{"open signals", func() error { openSignals(t, place); return nil }, map[string]int{"LIST": 1, "GET": 3, "PUT": 4, "HEAD": 3, "DELETE": 1}},
		{"open read-only", func() error { openSignals(t, place+"&read_only=true"); return nil }, map[string]int{"LIST": 1, "GET": 2}},
	} {
		must(t, c.call())
		if diff := cmp.Diff(c.want, fake.counted()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.what, diff)
		}
	}
}

// TestForgetfulListings: pages are whole on a server that forgets what lies after a bound in a folder.
func TestForgetfulListings(t *testing.T) {
	fake, place := fakePlace(t)
	fake.forgetful = true
	ctx := t.Context()
	s := openBlobs(t, place)
	want := []string{"a", "a-b/c", "a.b", "a/-", "a/b", "a/b/c", "a/b/d", "a/c", "a0", "a0/b", "b/c/d/e", "b/c/f"}
	for _, name := range want {
		must(t, put(ctx, s, name, nil))
	}
	for after := range len(want) {
		for _, limit := range []int{0, 1, 3} {
			list, err := s.List(ctx, "", want[after], limit)
			must(t, err)
			var got []string
			for _, b := range list {
				got = append(got, b.Name)
			}
			rest := want[after+1:]
			if limit > 0 {
				rest = rest[:min(limit, len(rest))]
			}
			if diff := cmp.Diff(rest, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%d after %s (-want +got):\n%s", limit, want[after], diff)
			}
		}
	}
	fake.forgetful, fake.descending = false, true
	_, err := s.List(ctx, "", "", 0)
	wantErr(t, "a server that lists in another order", err, errors.ErrUnsupported)
}

// atEnd calls f when a body was read to its end.
type atEnd struct {
	io.ReadCloser
	f func()
}

func (a atEnd) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	if err == io.EOF {
		a.f()
	}
	return n, err
}

// TestListingCutShort: a context that ends between two pages does not make the first one look like all.
func TestListingCutShort(t *testing.T) {
	fake, place := fakePlace(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	end := func() {}
	transport := roundTrip(func(r *http.Request) (*http.Response, error) {
		reply, err := http.DefaultTransport.RoundTrip(r)
		if err == nil && r.URL.Query().Has("list-type") {
			reply.Body = atEnd{reply.Body, end}
		}
		return reply, err
	})
	u, err := url.Parse(place)
	must(t, err)
	s, err := s3store.Opener{Options: s3store.Options{Transport: transport}}.OpenBlobs(ctx, u)
	must(t, err)
	defer func() { must(t, s.Close()) }()
	for n := range 1001 {
		fake.objects[fmt.Sprintf("place/blobs/%04d!", n)] = fakeObject{changed: time.Now()}
	}
	end = cancel
	list, err := s.List(ctx, "", "", 0)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%d blobs of 1001, %v", len(list), err)
	}
}

// TestConcurrentBatches: of batches that race, each is there whole and once, or refused.
func TestConcurrentBatches(t *testing.T) {
	_, place := fakePlace(t)
	ctx := t.Context()
	const writers, batches = 6, 12
	var group sync.WaitGroup
	stored := make([]int, writers)
	problems := make([]error, writers)
	for w := range writers {
		s := openSignals(t, place)
		group.Go(func() {
			for n := range uint64(batches) {
				batch := series(n*5+1, n*5+5)
				for i := range batch {
					batch[i].Key = fmt.Sprintf("writer %d", w)
				}
				switch err := s.Append(ctx, batch); {
				case err == nil:
					stored[w]++
				case !errors.Is(err, sinks.ErrConflict):
					problems[w] = err
				}
			}
		})
	}
	group.Wait()
	must(t, errors.Join(problems...))
	got, err := openSignals(t, place).Read(ctx, 0, 1000)
	must(t, err)
	count := make([]int, writers)
	for i := range got {
		var w int
		if _, err := fmt.Sscanf(got[i].Key, "writer %d", &w); err != nil {
			t.Fatal(err)
		}
		count[w]++
		if got[i].Sequence != uint64(i+1) || got[i].Key != got[i-i%5].Key {
			t.Fatalf("signal %d is %+v", i+1, got[i])
		}
	}
	for w := range writers {
		if count[w] != 5*stored[w] {
			t.Errorf("writer %d was told that %d batches are stored, and %d signals are", w, stored[w], count[w])
		}
	}
}
