package verify

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/window"
)

// killsOf says how often a test kills a process, for each store: EPHEMERA_KILLS times.
func killsOf(t *testing.T) int {
	t.Helper()
	kills, err := envNumber("EPHEMERA_KILLS", pick[uint64](30, 10, 6))
	must(t, err)
	return int(kills)
}

func crashStores(t *testing.T) map[string]func() string {
	return map[string]func() string{
		"sqlite": func() string { return sqliteURL(t, "synchronous=full") },
		"file":   func() string { return fileURL(t) },
	}
}

// TestSignalCase39_Killed kills a process that raises and flushes, at random times and right before and after writes.
// What a Flush had confirmed is there, nothing twice, no batch in part, and the next process goes on.
func TestSignalCase39_Killed(t *testing.T) {
	t.Parallel()
	for name, newURL := range crashStores(t) {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seedOf(t), 0))
			killMany(t, newURL, func(i int) hit {
				if i%2 == 0 {
					return hit{point: random.IntN(30), lines: 1000}
				}
				return hit{point: -1, lines: random.IntN(20), after: time.Duration(random.IntN(3000)) * time.Microsecond}
			})
		})
	}
}

// TestSignalCase39_KilledBetweenCalls kills it before system calls of several kinds.
func TestSignalCase39_KilledBetweenCalls(t *testing.T) {
	t.Parallel()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace, which kills between system calls, is not installed")
	}
	calls := []struct {
		names string
		most  int
	}{
		{"pwrite64,write", 150}, {"fsync,fdatasync", 30}, {"pwrite64", 60}, {"openat,ftruncate,unlinkat,unlink,flock,fcntl", 200},
	}
	for name, newURL := range crashStores(t) {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seedOf(t), 0))
			killMany(t, newURL, func(i int) hit {
				c := calls[i%len(calls)]
				return hit{point: -1, lines: 40, wrapper: []string{
					strace, "-f", "-qq", "-o", os.DevNull, "-e", "trace=" + c.names,
					"-e", fmt.Sprintf("inject=%s:signal=SIGKILL:when=%d", c.names, 1+random.IntN(c.most)),
				}}
			})
		})
	}
}

// A hit says how a process is killed. Whatever else it says, the test kills after some lines.
type hit struct {
	wrapper []string
	point   int // see fence
	lines   int
	after   time.Duration // after the lines
}

// killMany kills processes, and looks at what each left. Several use one store, one after the other.
func killMany(t *testing.T, newURL func() string, draw func(i int) hit) {
	t.Helper()
	const runs = 10
	var v *victim
	promised, early, kills := 0, 0, killsOf(t)
	for i := range kills {
		if i%runs == 0 {
			v = &victim{url: newURL(), promised: map[string]uint64{}, stored: map[string]uint64{}}
		}
		h := draw(i)
		if i == 0 {
			h = hit{point: -1, lines: 5} // has been promised something, whatever chance draws for the others
		}
		before := len(v.promised)
		if v.run(t, i%runs, h) {
			early++
		}
		if err := v.check(t.Context(), i%runs); err != nil {
			t.Fatalf("kill %d, %+v: %v", i, h, err)
		}
		promised += len(v.promised) - before
	}
	t.Logf("%d kills, %d of them at chosen points, %d sources with confirmed signals", kills, early, promised)
	if promised == 0 || early == 0 && kills >= 30 {
		t.Error("no Flush ever returned, or no chosen point was met: the kills prove nothing")
	}
}

// A victim is what the processes on one store were promised.
type victim struct {
	url      string
	promised map[string]uint64 // by source, how many signals are durable
	stored   map[string]uint64 // found after the crash before
	last     uint64
}

// run lets a child raise until it is killed, and reports whether the wrapper did it.
func (v *victim) run(t *testing.T, number int, h hit) (early bool) {
	t.Helper()
	c := start(t, h.wrapper, "crash", v.url, strconv.Itoa(number), strconv.Itoa(h.point))
	early = true
	var process *os.Process // not that of the wrapper
	for lines := 0; c.lines.Scan(); {
		words := strings.Fields(c.lines.Text())
		switch {
		case len(words) == 2 && words[0] == "PROCESS":
			id, err := strconv.Atoi(words[1])
			must(t, err)
			process, err = os.FindProcess(id)
			must(t, err)
		case len(words) == 3 && words[0] == "DURABLE":
			n, err := strconv.ParseUint(words[2], 10, 64)
			must(t, err)
			v.promised[words[1]] = n
			lines++
		default:
			t.Fatalf("child says %q", c.lines.Text())
		}
		if lines == h.lines && early {
			early = false
			// Somewhere within the next writes; nothing waits for this time to pass.
			time.AfterFunc(h.after, func() { _ = process.Kill() })
		}
	}
	if err := c.cmd.Wait(); err == nil {
		t.Fatal("the child ended by itself")
	}
	return early
}

// check opens what the child left, and raises one signal of its own.
func (v *victim) check(ctx context.Context, number int) error {
	store, err := sinks.OpenSignals(ctx, v.url)
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	if err := sinks.Verify(ctx, store); err != nil {
		return err
	}
	rows, err := rowsOf(ctx, store)
	if err != nil {
		return err
	}
	have, err := tally(rows)
	if err != nil {
		return err
	}
	for source, n := range v.promised {
		if have[source] < n {
			return fmt.Errorf("%d signals of %s are there, %d were durable", have[source], source, n)
		}
	}
	for source, n := range v.stored {
		if have[source] != n {
			return fmt.Errorf("%d signals of %s are there, %d were before", have[source], source, n)
		}
	}
	if grown := uint64(len(rows)) - v.last; exactRun(number) && grown%exactBatch != 0 {
		return fmt.Errorf("the log grew by %d signals, which is a batch in part", grown)
	}
	if err := v.goOn(ctx, store, rows, number); err != nil {
		return err
	}
	v.stored = have
	v.stored[fmt.Sprint("parent", number)] = 1
	v.last = uint64(len(rows)) + 1
	return nil
}

// goOn uses the store again.
func (v *victim) goOn(ctx context.Context, store sinks.SignalStore, rows []sinks.Signal, number int) error {
	o := byHand(store)
	o.Capacity, o.MaxAge = 2000, window.Forever
	w, err := window.New(ctx, o)
	if err != nil {
		return err
	}
	defer func() { _ = w.Close() }()
	if _, err := w.Load(ctx, window.LoadOptions{}); err != nil {
		return err
	}
	list, err := w.Sense("")
	if err != nil {
		return err
	}
	if err := sameSignals(list, rows[max(0, len(rows)-o.Capacity):]); err != nil {
		return err
	}
	sequence, err := raiseOne(w, fmt.Sprint("parent", number), 0)
	if err != nil || sequence != uint64(len(rows)+1) {
		return fmt.Errorf("the next sequence is %d after %d rows: %w", sequence, len(rows), err)
	}
	if err := w.Close(); err != nil {
		return err
	}
	return balance(w.Stats())
}
