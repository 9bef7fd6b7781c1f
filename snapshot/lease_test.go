package snapshot

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/faultstore"
)

// TestOneSaverAtATime: a place has one Saver, whoever asks, until it is closed.
func TestOneSaverAtATime(t *testing.T) {
	var p place
	o := manual()
	o.Owner = "first"
	s := open(t, p.handle(t), one(), o)
	_, err := Open(t.Context(), p.handle(t), one(), manual())
	fails(t, err, sinks.ErrLeased)
	if !strings.Contains(err.Error(), "first") {
		t.Error(err)
	}
	_, err = Prune(t.Context(), p.handle(t), DefaultName, 1)
	fails(t, err, sinks.ErrLeased)
	var from place
	begun := open(t, from.handle(t), one(), manual())
	save(t, begun)
	_, err = Copy(t.Context(), from.handle(t), p.handle(t), CopyOptions{})
	fails(t, err, sinks.ErrLeased)
	must(t, s.Close())
	again := open(t, p.handle(t), one(), manual())
	same(t, "epoch", again.Store().Epoch(), s.Store().Epoch())
}

// TestOneUserOfAHandle: the lease of a handle is one, so whoever gives it up gives it up for all; they are kept apart.
func TestOneUserOfAHandle(t *testing.T) {
	var p place
	blobs := p.handle(t)
	s := open(t, blobs, one(), manual())
	o := manual()
	o.Name = "other"
	_, err := Open(t.Context(), blobs, one(), o)
	fails(t, err, sinks.ErrLeased)
	if !strings.Contains(err.Error(), "Options.Lease") {
		t.Error(err)
	}
	_, err = Prune(t.Context(), blobs, DefaultName, 1)
	fails(t, err, sinks.ErrLeased)
	save(t, s)
	must(t, s.Close())
	must(t, open(t, blobs, one(), o).Close())
	_, err = Prune(t.Context(), blobs, DefaultName, 1)
	must(t, err)
	same(t, "users", len(handles.users), 0)
}

// TestSharedLease: two stores in one place share the lease that their program holds.
func TestSharedLease(t *testing.T) {
	var p place
	blobs := p.handle(t)
	lease, err := sinks.Hold(t.Context(), blobs, sinks.Claim{})
	must(t, err)
	defer func() { _ = lease.Close() }()
	a, b := manual(), manual()
	a.Lease, b.Lease = lease, lease
	a.Name, b.Name = "a", "b"
	x, y := open(t, blobs, one(), a), open(t, blobs, one(), b)
	fill(t, x.Store(), 0, 10)
	fill(t, y.Store(), 10, 30)
	must(t, x.Close())
	save(t, y) // the lease is still there
	_, err = Prune(t.Context(), blobs, "a", 1)
	fails(t, err, sinks.ErrLeased)
	must(t, y.Close())
	must(t, lease.Err())
	z := open(t, blobs, one(), b)
	fill(t, z.Store(), 30, 31)
	must(t, lease.Close())
	fails(t, z.Save(t.Context()), sinks.ErrClosed) // anybody may hold the place now
	fails(t, z.Close(), sinks.ErrClosed)
	names, err := Names(t.Context(), blobs)
	must(t, err)
	same(t, "names", names, []string{"a", "b"})
	same(t, "a", p.manifests(t, "a")[0].Events(), 10)
	same(t, "b", p.manifests(t, "b")[1].Events(), 20)
}

// TestLeaseTaken: who was taken over is refused before it writes the manifest, even one that is under way, and Run ends.
func TestLeaseTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p place
		o := manual()
		o.Manual, o.EveryEvents = false, 5
		blobs := p.handle(t)
		s := open(t, blobs, one(), o)
		fill(t, s.Store(), 0, 3)
		save(t, s)
		ran := make(chan error, 1)
		go func() { ran <- s.Run(t.Context()) }()
		bad, err := faultstore.Parse("renew:1+ stall")
		must(t, err)
		g := s.grip // the process stands still
		must(t, g.lease.Close())
		g.lease, err = sinks.Hold(t.Context(), faultstore.Blobs(blobs, bad), sinks.Claim{})
		must(t, err)
		time.Sleep(sinks.DefaultTTL + time.Second)
		other := open(t, p.handle(t), one(), manual())
		fill(t, other.Store(), 100, 102)
		save(t, other)
		fill(t, s.Store(), 3, 10)
		time.Sleep(time.Second)
		fails(t, <-ran, sinks.ErrFenced)
		fails(t, s.Save(t.Context()), sinks.ErrFenced)
		err = s.Close()
		fails(t, err, sinks.ErrFenced)
		same(t, "events", unsavedOf(t, err).Events, 7)
		same(t, "snapshots", p.newest(t).Writer, other.writer)
		same(t, "events", p.newest(t).Events(), 5)
	})
}

// hookedStore calls a function before each Put, and has no leases of its own.
type hookedStore struct {
	plainStore
	put func(name string)
}

func (h hookedStore) Put(ctx context.Context, name string, size int64, r io.Reader) error {
	h.put(name)
	return h.plainStore.Put(ctx, name, size, r)
}

// TestLeaseLostWhileObjectsAreWritten: the lease is looked at again right before the manifest, whatever the blob store
// would refuse by itself.
func TestLeaseLostWhileObjectsAreWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p place
		held, _ := p.faulty(t, "renew:* error io")
		lease, err := sinks.Hold(t.Context(), held, sinks.Claim{})
		must(t, err)
		o := manual()
		o.Lease = lease
		s := open(t, &hookedStore{plainStore{p.handle(t)}, func(name string) {
			if strings.HasPrefix(name, objectPrefix(DefaultName)) {
				time.Sleep(2 * sinks.DefaultTTL)
			}
		}}, one(), o)
		fill(t, s.Store(), 0, 10)
		fails(t, s.Save(t.Context()), lease.Err())
		if lease.Err() == nil {
			t.Fatal("the lease is not lost")
		}
		same(t, "manifests", len(p.names(t, manifestPrefix(DefaultName))), 0)
		same(t, "unsaved", unsavedOf(t, s.Close()).Events, 10)
		_ = lease.Close()
	})
}

// TestLeaseLostAndTakenAgain: a lease that could not be renewed is taken again if nobody has had it meanwhile.
func TestLeaseLostAndTakenAgain(t *testing.T) {
	for _, stolen := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var p place
			blobs, plan := p.faulty(t, "renew:* error io")
			s := open(t, blobs, one(), manual())
			fill(t, s.Store(), 0, 10)
			save(t, s)
			time.Sleep(2 * sinks.DefaultTTL)
			synctest.Wait()
			if s.grip.lease.Err() == nil {
				t.Fatal("the lease is not lost")
			}
			plan.Clear()
			fill(t, s.Store(), 10, 20)
			if stolen {
				thief := open(t, p.handle(t), one(), manual())
				must(t, thief.Close())
				fails(t, s.Save(t.Context()), sinks.ErrFenced)
				fails(t, s.Save(t.Context()), sinks.ErrFenced)
				_ = unsavedOf(t, s.Close())
				return
			}
			save(t, s)
			must(t, s.grip.lease.Err())
			_, err := Open(t.Context(), p.handle(t), one(), manual())
			fails(t, err, sinks.ErrLeased)
			time.Sleep(2 * sinks.DefaultTTL) // it is renewed again
			fill(t, s.Store(), 20, 30)
			save(t, s)
			must(t, s.Close())
			must(t, open(t, p.handle(t), one(), manual()).Close())
		})
	}
}

// TestNoLeases: a store without leases does without, and so does a Saver that is told to.
func TestNoLeases(t *testing.T) {
	var p place
	o := manual()
	o.NoLease = true
	a := open(t, p.handle(t), one(), o)
	must(t, a.Close())
	plain := plainStore{p.handle(t)}
	b := open(t, plain, one(), manual())
	o = manual()
	o.Name = "other"
	c := open(t, plain, one(), o)
	must(t, b.Close())
	must(t, c.Close())
	_, err := Prune(context.Background(), plain, DefaultName, 1)
	must(t, err)
}

// plainStore hides what a store can do beyond the contract.
type plainStore struct{ sinks.BlobStore }
