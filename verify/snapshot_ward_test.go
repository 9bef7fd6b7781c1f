package verify

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/snapshot"
)

// A ward is a place where processes save, one after the other, and what they said.
type ward struct {
	url     string
	runs    int
	starts  [victimWriters][]uint64 // by run; ^0 if it appended nothing
	promise [victimWriters]uint64   // sequences that must be there at least
	ordinal uint64                  // of the newest acknowledged snapshot
	epoch   string                  // in which the last process may have appended; "" none
	from    uint64                  // ordinal of the snapshot that it opened
}

// child lets a process run until it is killed. It returns false if nobody killed it.
func (w *ward) child(t *testing.T, point failpoint, wrapper []string, killAfter int, delay time.Duration) (killed bool) {
	t.Helper()
	w.begin()
	c := start(t, wrapper, "save", w.url, strconv.Itoa(w.runs-1), point.name, strconv.FormatInt(point.time, 10))
	var process *os.Process
	saves, closed := 0, false
	for c.lines.Scan() {
		words := strings.Fields(c.lines.Text())
		switch words[0] {
		case "PROCESS":
			process = processOf(t, words[1])
		case "OPENED":
			numbers := parseNumbers(t, words[2:])
			w.from = numbers[0]
			must(t, w.opened(words[1], numbers[1:]))
		case "SAVED":
			numbers := parseNumbers(t, words[1:])
			w.ordinal = numbers[0]
			copy(w.promise[:], numbers[1:])
			if saves++; saves == killAfter {
				time.AfterFunc(delay, func() { _ = process.Kill() }) // nothing waits for this time to pass
			}
		case "CLOSED":
			closed = true
			copy(w.promise[:], parseNumbers(t, words[1:]))
		default:
			t.Fatalf("child says %q", c.lines.Text())
		}
	}
	if err := c.cmd.Wait(); err == nil && !closed {
		t.Fatal("the child ended well without closing")
	}
	return !closed
}

func processOf(t *testing.T, id string) *os.Process {
	t.Helper()
	n, err := strconv.Atoi(id)
	must(t, err)
	p, err := os.FindProcess(n)
	must(t, err)
	return p
}

// begin counts a run that has appended nothing yet.
func (w *ward) begin() {
	w.runs++
	for partition := range w.starts {
		w.starts[partition] = append(w.starts[partition], ^uint64(0))
	}
}

// opened notes that a run may append from these sequences on.
func (w *ward) opened(epoch string, next []uint64) error {
	if w.epoch == epoch {
		return fmt.Errorf("epoch %s goes on although a process ended that may have appended to it", epoch)
	}
	w.epoch = epoch
	for partition := range w.starts {
		if next[partition] < w.promise[partition] {
			return fmt.Errorf("partition %d goes on at %d; %d were acknowledged", partition, next[partition], w.promise[partition])
		}
		w.starts[partition][w.runs-1] = next[partition]
	}
	return nil
}

// want returns the event that must stand at a sequence: that of the last run that began at it or before.
func (w *ward) want(partition int, sequence uint64) event {
	for run, from := range slices.Backward(w.starts[partition]) {
		if from <= sequence {
			return makeEvent(run, sequence)
		}
	}
	return event{}
}

// visit opens the place, compares, appends a little, and closes it well.
func (w *ward) visit(t testing.TB) {
	t.Helper()
	ctx := t.Context()
	b, err := sinks.OpenBlobs(ctx, w.url)
	must(t, err)
	defer func() { must(t, b.Close()) }()
	if _, err := snapshot.Verify(ctx, b, snapshot.DefaultName, nil); err != nil {
		t.Fatal(err)
	}
	s, err := snapshot.Open(ctx, b, victimOptions(), victimSaver())
	must(t, err)
	must(t, w.found(s))
	for partition := range victimWriters {
		for i := range uint64(10) {
			next := w.starts[partition][w.runs-1] + i
			pos, err := s.Store().AppendTo(partition, makeEvent(w.runs-1, next))
			if err != nil || pos.Sequence != next {
				t.Fatalf("appended at %v, want %d: %v", pos, next, err)
			}
		}
	}
	must(t, s.Close())
	w.epoch, w.ordinal = "", s.Stats().Ordinal
	copy(w.promise[:], nextOf(s.Store()))
	found, err := snapshot.Verify(ctx, b, snapshot.DefaultName, nil)
	if err != nil || len(found.Snapshots) > 2 || len(found.Unused)+len(found.Foreign) > 0 {
		t.Fatalf("%d snapshots; nobody needs %v; foreign %v; %v", len(found.Snapshots), found.Unused, found.Foreign, err)
	}
}

// found compares what was restored with what was promised, and begins a run.
func (w *ward) found(s *snapshot.Saver[event]) error {
	report := s.Report()
	if len(report.Skipped) > 0 || report.Ordinal < w.ordinal {
		return fmt.Errorf("%d was acknowledged: %v", w.ordinal, report)
	}
	if report.Final && report.Ordinal > w.from {
		w.epoch = "" // the process ended when it had closed its store and saved all of it
	}
	w.from = report.Ordinal
	if err := w.compare(s.Store()); err != nil {
		return err
	}
	w.begin()
	return w.opened(s.Store().Epoch().String(), nextOf(s.Store()))
}

// compare wants a contiguous prefix of what was appended, and nothing else.
func (w *ward) compare(s *core.Store[event]) error {
	capacity := uint64(s.Capacity() / victimWriters)
	for _, p := range pictureOf(s).Partitions {
		if n := uint64(len(p.Events)); n != p.Next-p.First || n > capacity {
			return fmt.Errorf("partition %d: %d events in [%d,%d)", p.Number, n, p.First, p.Next)
		}
		if p.Next < w.promise[p.Number] {
			return fmt.Errorf("partition %d ends at %d; %d were acknowledged", p.Number, p.Next, w.promise[p.Number])
		}
		for i, e := range p.Events {
			if sequence := p.First + uint64(i); e != w.want(p.Number, sequence) {
				return fmt.Errorf("partition %d holds %+v at %d", p.Number, e, sequence)
			}
		}
	}
	return nil
}
