package s3store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/minio/minio-go/v7"

	"github.com/ephemera-go/ephemera/sinks"
)

// TestOneWinner: of 8 writers that put one of 20 names at once exactly one succeeds, and its bytes are stored.
func TestOneWinner(t *testing.T) {
	u := root(t)
	const names, writers = 20, 8
	stores := make([]sinks.BlobStore, writers)
	for w := range stores {
		stores[w] = openBlobs(t, u.String())
	}
	for n := range names {
		name := fmt.Sprintf("race/%d", n)
		body := func(w int) []byte { return content(fmt.Sprintf("writer %d", w), 50_000) }
		results := make([]error, writers)
		begin := make(chan struct{})
		var group sync.WaitGroup
		for w := range writers {
			group.Go(func() {
				<-begin
				results[w] = put(t.Context(), stores[w], name, body(w))
			})
		}
		close(begin)
		group.Wait()
		winner := slices.Index(results, nil)
		if winner < 0 {
			t.Fatalf("nobody put %s: %v", name, results)
		}
		for w, err := range results {
			if w != winner {
				wantErr(t, fmt.Sprintf("put of %s by %d beside %d", name, w, winner), err, sinks.ErrExists)
			}
		}
		got, err := get(t.Context(), stores[0], name)
		must(t, err)
		if !bytes.Equal(got, body(winner)) {
			t.Errorf("%s does not hold what its winner put", name)
		}
	}
}

// TestLongListing lists more names than one page holds, of folders beside longer names.
func TestLongListing(t *testing.T) {
	u := root(t)
	ctx := t.Context()
	prefix := strings.TrimPrefix(u.Path, "/") + "/blobs/"
	var want []string
	for i := range 700 {
		want = append(want, fmt.Sprintf("a-%04d", i), fmt.Sprintf("a/%04d", i), fmt.Sprintf("a/b/%04d", i))
	}
	slices.Sort(want)
	c := sdk(t, u)
	var group sync.WaitGroup
	problems := make([]error, 16)
	for w := range problems {
		group.Go(func() {
			for i := w; i < len(want) && problems[w] == nil; i += len(problems) {
				_, problems[w] = c.PutObject(ctx, u.Host, prefix+want[i]+"!", strings.NewReader("x"), 1, minio.PutObjectOptions{DisableContentSha256: true})
			}
		})
	}
	group.Wait()
	must(t, errors.Join(problems...))
	s := openBlobs(t, u.String())
	for _, limit := range []int{0, 1000, 333} {
		var got []string
		for more := true; more; {
			after := ""
			if len(got) > 0 {
				after = got[len(got)-1]
			}
			page, err := s.List(ctx, "", after, limit)
			must(t, err)
			for _, b := range page {
				got = append(got, b.Name)
			}
			more = limit > 0 && len(page) == limit
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("pages of %d (-want +got):\n%s", limit, diff)
		}
	}
}

// TestServerRestart kills the server again and again while a log and blobs are written: nothing that was confirmed is lost,
// nothing is there twice.
func TestServerRestart(t *testing.T) {
	u := root(t)
	command := os.Getenv(serverVariable + "_RESTART")
	if command == "" {
		if os.Getenv("EPHEMERA_CI") != "" {
			t.Fatal(serverVariable + "_RESTART is not set")
		}
		t.Skip(serverVariable + "_RESTART is not set")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	const restarts, size = 5, 20
	var confirmed []string
	var last uint64
	stop, progress := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	s, b := openSignals(t, u.String()), openBlobs(t, u.String())
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case progress <- struct{}{}:
			default:
			}
			batch := series(last+1, last+size)
			if err := untilStored(ctx, func() error { return s.Append(ctx, batch) }); err != nil {
				done <- err
				return
			}
			last += size
			name := fmt.Sprintf("at/%d", last)
			err := untilStored(ctx, func() error { return put(ctx, b, name, content(name, 3000)) })
			if err != nil && !errors.Is(err, sinks.ErrExists) { // an earlier attempt may have stored it
				done <- err
				return
			}
			confirmed = append(confirmed, name)
		}
	}()
	for range restarts {
		select {
		case <-progress: // something was written since
		case err := <-done:
			t.Fatal(err)
		}
		out, err := exec.CommandContext(ctx, "sh", "-c", command).CombinedOutput()
		if err != nil {
			t.Fatalf("restart: %v: %s", err, out)
		}
	}
	close(stop)
	must(t, <-done)
	for _, s := range []sinks.SignalStore{s, openSignals(t, u.String())} {
		wantLog(t, s, series(1, last))
		must(t, sinks.Verify(ctx, s))
	}
	for _, name := range confirmed {
		got, err := get(ctx, b, name)
		if err != nil || !bytes.Equal(got, content(name, 3000)) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	if list, err := b.List(ctx, "", "", 0); err != nil || len(list) != len(confirmed) {
		t.Errorf("%d blobs of %d, %v", len(list), len(confirmed), err)
	}
	t.Logf("%d signals and %d blobs beside %d restarts", last, len(confirmed), restarts)
}

// untilStored repeats a write as long as the server is not there.
func untilStored(ctx context.Context, write func() error) error {
	for {
		err := write()
		for _, final := range []error{sinks.ErrExists, sinks.ErrConflict, sinks.ErrCorrupt, sinks.ErrDenied, sinks.ErrInvalid, sinks.ErrForeign} {
			if errors.Is(err, final) {
				return err
			}
		}
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
}

// TestEarlyRefusal: a server that refuses a large upload before it has read it may close the connection. The writer learns
// why all the same.
func TestEarlyRefusal(t *testing.T) {
	u := root(t)
	s := openBlobs(t, u.String())
	const size = 8 << 20 // as large as a body may be that is sent without asking first
	must(t, s.Put(t.Context(), "a", size, stream(size)))
	for range 5 {
		wantErr(t, "put", s.Put(t.Context(), "a", size, stream(size)), sinks.ErrExists)
	}
	r, _, err := s.Open(t.Context(), "a")
	must(t, err)
	if err := sameContent(r, stream(size)); err != nil {
		t.Error(err)
	}
	must(t, r.Close())
}
