//go:build unix

package verify

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/snapshot"
	sqlitestore "github.com/ephemera-go/ephemera/storage-sqlite"
)

func init() { childJobs["own"] = childOwn }

// ownerTTL is how long the lease of a process that is stopped keeps others out.
const ownerTTL = 3 * time.Second

// stopMyself stops the process between calls of the driver: within one it may have a lock of the file or the database,
// and others wait until it goes on.
func (f *fuse) stopMyself() {
	f.calls.Lock()
	defer f.calls.Unlock()
	woken := make(chan os.Signal, 1)
	signal.Notify(woken, syscall.SIGCONT)
	fmt.Println("STOPPING")
	_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	<-woken // threads that run may do so for a while
}

// childOwn takes a place over, once it may, and saves until it is refused or its input ends. A line of input makes it stop
// at the next failpoint. Arguments: URL, number of the run, name of the owner, name of the failpoint.
func childOwn(ctx context.Context, args []string) error {
	run, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	inner, err := sinks.OpenBlobs(ctx, args[0])
	for errors.Is(err, sqlitestore.ErrLocked) { // somebody writes all the time
		inner, err = sinks.OpenBlobs(ctx, args[0])
	}
	if err != nil {
		return err
	}
	b := &fuse{BlobStore: inner}
	b.blow = b.stopMyself
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for input := bufio.NewScanner(os.Stdin); input.Scan(); {
			b.set(failpoint{args[3], 1})
		}
	}()
	lease, err := awaitLease(ctx, b, args[2])
	if err != nil {
		return err
	}
	o := victimSaver()
	o.Lease, o.Codec = lease, fusedCodec{o.Codec, b}
	s, err := snapshot.Open(ctx, b, victimOptions(), o)
	if err != nil {
		return err
	}
	fmt.Println("OPENED", s.Store().Epoch(), s.Report().Ordinal, nexts(s.Store()))
	for more := true; more; {
		for partition := range victimWriters {
			next, _ := s.Store().Next(partition)
			for i := range uint64(50) {
				if _, err := s.Store().AppendTo(partition, makeEvent(run, next+i)); err != nil {
					return err
				}
			}
		}
		if err := s.Save(ctx); err != nil {
			_ = s.Store().Close()
			stale := b.Put(ctx, "stale/"+args[1], 0, strings.NewReader(""))
			fmt.Println("REFUSED", errors.Is(stale, sinks.ErrFenced), err)
			return nil
		}
		fmt.Println("SAVED", s.Stats().Ordinal, nexts(s.Store()))
		select {
		case <-ended:
			more = false
		default:
		}
	}
	if err := errors.Join(s.Close(), lease.Close(), b.Close()); err != nil {
		return err
	}
	fmt.Println("CLOSED", nexts(s.Store()))
	return nil
}

// awaitLease asks for the lease until it may have it, and says who else has it.
func awaitLease(ctx context.Context, b sinks.BlobStore, owner string) (*sinks.Lease, error) {
	for said := false; ; {
		lease, err := sinks.Hold(ctx, b, sinks.Claim{Owner: owner, TTL: ownerTTL})
		leased := errors.Is(err, sinks.ErrLeased)
		if !leased && !errors.Is(err, sqlitestore.ErrLocked) {
			return lease, err
		}
		if leased && !said {
			fmt.Println("LEASED", err)
			said = true
		}
		time.Sleep(5 * time.Millisecond) // between two questions; who waits for this process kills it in the end
	}
}

// next returns the next line of a child of the wanted kind; lines of other kinds must be among those that may come before.
func (c *child) next(t *testing.T, want string, before ...string) []string {
	t.Helper()
	for c.lines.Scan() {
		words := strings.SplitN(c.lines.Text(), " ", 2)
		switch {
		case words[0] == want:
			return strings.Fields(c.lines.Text())[1:]
		case !slices.Contains(before, words[0]):
			t.Fatalf("child says %q instead of %s", c.lines.Text(), want)
		}
	}
	t.Fatalf("child ends instead of saying %s", want)
	return nil
}

// stopPoints are the failpoints between two calls of a driver, in the middle of saving and pruning.
var stopPoints = []string{
	"put-manifests-before", "put-objects-before", "list-manifests-after", "delete-manifests-before", "encode--before",
	"put-objects-after", "delete-objects-before", "put-manifests-after", "list-objects-after",
}

// TestSnapshotTwoOwners stops a process that saves, between any two calls, lets another one take over, and wakes the first: it is
// refused at its next write, within a second; it has overwritten nothing; and the other one was told who it was.
func TestSnapshotTwoOwners(t *testing.T) {
	t.Parallel()
	for _, p := range places() {
		if p.name == "mem" {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			t.Parallel() // most of it is waiting for leases to run out
			w := &ward{url: p.url(t)}
			w.visit(t)
			var took []time.Duration
			for round := range min(killsOr(t, pick(3, 2, 2)), 100) {
				took = append(took, w.dispute(t, round))
			}
			slices.Sort(took)
			// The most that one round took tells how long this machine stood still.
			usual, longest := took[(len(took)-1)/2], took[len(took)-1]
			t.Logf("%d rounds; refused after %v, at most %v", len(took), usual, longest)
			if usual > time.Second || longest > 10*time.Second {
				t.Errorf("refused after %v", took)
			}
		})
	}
}

// own starts a process that waits for the place.
func (w *ward) own(t *testing.T, owner, point string) *child {
	t.Helper()
	w.begin()
	return start(t, nil, "own", w.url, strconv.Itoa(w.runs-1), owner, point)
}

// saved takes in the line of an acknowledged save.
func (w *ward) saved(t *testing.T, words []string) {
	t.Helper()
	numbers := parseNumbers(t, words)
	w.ordinal = numbers[0]
	copy(w.promise[:], numbers[1:])
}

func (w *ward) dispute(t *testing.T, round int) (refused time.Duration) {
	t.Helper()
	first := w.own(t, fmt.Sprint("first-", round), stopPoints[round%len(stopPoints)])
	words := first.next(t, "OPENED")
	must(t, w.opened(words[0], parseNumbers(t, words[2:])))
	second := w.own(t, fmt.Sprint("second-", round), "-")
	if words := second.next(t, "LEASED"); !strings.Contains(strings.Join(words, " "), fmt.Sprint("first-", round)) {
		t.Fatalf("the second process is not told who holds the place: %q", words)
	}
	_, err := fmt.Fprintln(first.stdin, "stop")
	must(t, err)
	for stopping := false; !stopping; {
		if !first.lines.Scan() {
			t.Fatal("the first process ends")
		}
		if words := strings.Fields(first.lines.Text()); words[0] == "SAVED" {
			w.saved(t, words[1:])
		} else if stopping = words[0] == "STOPPING"; !stopping {
			t.Fatalf("the first process says %q", words)
		}
	}
	words = second.next(t, "OPENED")
	w.from = parseNumbers(t, words[1:2])[0]
	opened := parseNumbers(t, words[2:])
	must(t, w.opened(words[0], opened))
	w.saved(t, second.next(t, "SAVED"))
	begin := time.Now()
	must(t, first.cmd.Process.Signal(syscall.SIGCONT))
	for {
		if !first.lines.Scan() {
			t.Fatal("the first process ends without being refused")
		}
		words := strings.Fields(first.lines.Text())
		if words[0] == "REFUSED" {
			if refused = time.Since(begin); words[1] != "true" {
				t.Fatalf("a stale write is not fenced: %q", words)
			}
			break
		}
		// It was saved before the process was stopped.
		if numbers := parseNumbers(t, words[1:]); words[0] != "SAVED" || numbers[0] > w.from || numbers[1] > opened[0] {
			t.Fatalf("the first process says %q; the second began with snapshot %d", words, w.from)
		}
	}
	must(t, first.cmd.Wait())
	w.saved(t, second.next(t, "SAVED"))
	must(t, second.stdin.Close())
	copy(w.promise[:], parseNumbers(t, second.next(t, "CLOSED", "SAVED")))
	must(t, second.cmd.Wait())
	w.visit(t)
	return refused
}
