package verify

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/snapshot"
)

// Sizes of the stores of processes that are killed: the writers lap them between two snapshots.
const (
	victimWriters  = 2
	victimCapacity = 2000 // for each writer
	victimSaves    = 8    // before it ends by itself
)

// victimOptions give every writer a partition. The number of an event is its sequence, its Writer the run.
func victimOptions() core.Options[event] {
	return core.Options[event]{
		Capacity: victimCapacity * victimWriters, Partitions: victimWriters, Key: func(e event) string { return e.Name },
	}
}

func victimSaver() snapshot.Options[event] {
	o := tryingOnce()
	o.Keep, o.FinalTimeout = 2, time.Minute
	return o
}

// childSave appends at full speed and saves until it is killed, and says what it was promised. Arguments: URL, number of the
// run, failpoint, time that it comes by.
func childSave(ctx context.Context, args []string) error {
	fmt.Println("PROCESS", os.Getpid())
	run, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	inner, err := sinks.OpenBlobs(ctx, args[0])
	if err != nil {
		return err
	}
	times, err := strconv.ParseInt(args[3], 10, 64)
	if err != nil {
		return err
	}
	f := &fuse{BlobStore: inner, blow: killMyself, point: failpoint{args[2], times}}
	o := victimSaver()
	o.Codec = fusedCodec{o.Codec, f}
	s, err := snapshot.Open(ctx, f, victimOptions(), o)
	if err != nil {
		return err
	}
	fmt.Println("OPENED", s.Store().Epoch(), s.Report().Ordinal, nexts(s.Store()))
	var done [victimWriters]atomic.Uint64
	for partition := range victimWriters {
		go appendForever(s.Store(), partition, run, &done[partition])
	}
	for range victimSaves {
		awaitAppends(&done, victimCapacity)
		var appended [victimWriters]uint64
		for partition := range done {
			appended[partition] = done[partition].Load()
		}
		if err := s.Save(ctx); err != nil {
			return err
		}
		fmt.Println("SAVED", s.Stats().Ordinal, appended[0], appended[1])
	}
	if err := errors.Join(s.Close(), inner.Close()); err != nil {
		return err
	}
	fmt.Println("CLOSED", nexts(s.Store()))
	return nil
}

// appendForever makes events whose number is their sequence, until the store is closed.
func appendForever(s *core.Store[event], partition, run int, done *atomic.Uint64) {
	next, _ := s.Next(partition)
	done.Store(next)
	for {
		if _, err := s.AppendTo(partition, makeEvent(run, next)); err != nil {
			return
		}
		next++
		done.Store(next)
	}
}

// awaitAppends returns when every writer has gone on by so many events.
func awaitAppends(done *[victimWriters]atomic.Uint64, events uint64) {
	for partition := range done {
		for from := done[partition].Load(); done[partition].Load() < from+events; {
			time.Sleep(10 * time.Microsecond)
		}
	}
}

func nexts(s *core.Store[event]) string {
	list := make([]string, victimWriters)
	for partition := range list {
		next, _ := s.Next(partition)
		list[partition] = strconv.FormatUint(next, 10)
	}
	return strings.Join(list, " ")
}

func parseNumbers(t testing.TB, words []string) (list []uint64) {
	t.Helper()
	for _, w := range words {
		n, err := strconv.ParseUint(w, 10, 64)
		must(t, err)
		list = append(list, n)
	}
	return list
}

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
			w.opened(t, words[1], numbers[1:])
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
func (w *ward) opened(t testing.TB, epoch string, next []uint64) {
	t.Helper()
	if w.epoch == epoch {
		t.Fatalf("epoch %s goes on although a process ended that may have appended to it", epoch)
	}
	w.epoch = epoch
	for partition := range w.starts {
		if next[partition] < w.promise[partition] {
			t.Fatalf("partition %d goes on at %d; %d were acknowledged", partition, next[partition], w.promise[partition])
		}
		w.starts[partition][w.runs-1] = next[partition]
	}
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
	report := s.Report()
	if len(report.Skipped) > 0 || report.Ordinal < w.ordinal {
		t.Fatalf("%d was acknowledged: %v", w.ordinal, report)
	}
	epoch := s.Store().Epoch().String()
	if report.Final && report.Ordinal > w.from {
		w.epoch = "" // the process was killed when it had closed its store and saved all of it
	}
	w.compare(t, s.Store())
	w.begin()
	w.opened(t, epoch, parseNumbers(t, strings.Fields(nexts(s.Store()))))
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
	copy(w.promise[:], parseNumbers(t, strings.Fields(nexts(s.Store()))))
	found, err := snapshot.Verify(ctx, b, snapshot.DefaultName, nil)
	if err != nil || len(found.Snapshots) > 2 || len(found.Unused)+len(found.Foreign) > 0 {
		t.Fatalf("%d snapshots; nobody needs %v; foreign %v; %v", len(found.Snapshots), found.Unused, found.Foreign, err)
	}
}

// compare wants a contiguous prefix of what was appended, and nothing else.
func (w *ward) compare(t testing.TB, s *core.Store[event]) {
	t.Helper()
	for _, p := range pictureOf(s).Partitions {
		if n := uint64(len(p.Events)); n != p.Next-p.First || n > victimCapacity {
			t.Fatalf("partition %d: %d events in [%d,%d)", p.Number, n, p.First, p.Next)
		}
		if p.Next < w.promise[p.Number] {
			t.Fatalf("partition %d ends at %d; %d were acknowledged", p.Number, p.Next, w.promise[p.Number])
		}
		for i, e := range p.Events {
			if sequence := p.First + uint64(i); e != w.want(p.Number, sequence) {
				t.Fatalf("partition %d holds %+v at %d", p.Number, e, sequence)
			}
		}
	}
}

// killsOr returns EPHEMERA_KILLS, or a number if it is not set.
func killsOr(t *testing.T, otherwise int) int {
	t.Helper()
	kills, err := envNumber("EPHEMERA_KILLS", uint64(otherwise))
	must(t, err)
	return int(kills)
}

// TestSnapshotKilled kills a process that appends and saves at every failpoint: what was acknowledged is there, and what is
// there is a contiguous part of what was appended; sequences go on upward; no epoch goes on that may have had more.
func TestSnapshotKilled(t *testing.T) {
	for _, p := range places() {
		if p.name == "mem" {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			w := &ward{url: p.url(t)}
			w.visit(t)
			points := failpoints()
			kills := killsOr(t, map[string]int{"file": len(points), "sqlite": 30}[p.name])
			if kills == 0 || testing.Short() {
				kills = 12
			}
			for i := range kills {
				if point := points[i%len(points)]; !w.child(t, point, nil, 0, 0) {
					t.Fatalf("failpoint %+v is not reached", point)
				}
				w.visit(t)
			}
			t.Logf("%d kills at %d failpoints, %d snapshots", kills, min(kills, len(points)), w.ordinal)
		})
	}
}

// TestSnapshotKilledBetweenCalls kills it before system calls of several kinds, and at any time.
func TestSnapshotKilledBetweenCalls(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace, which kills between system calls, is not installed")
	}
	calls := []struct {
		names string
		most  int
	}{
		{"pwrite64,write", 30},
		{"fsync,fdatasync", 10},
		{"linkat,renameat,renameat2,unlinkat", 12},
		{"openat,mkdirat,flock,fcntl", 60},
	}
	for _, p := range places()[1:3] {
		t.Run(p.name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seedOf(t), 0))
			w := &ward{url: p.url(t)}
			w.visit(t)
			kills, early := killsOr(t, pick(15, 6, 6)), 0
			for i := range kills {
				c := calls[i%len(calls)]
				wrapper := []string{
					strace, "-f", "-qq", "-o", os.DevNull, "-e", "trace=" + c.names,
					"-e", fmt.Sprintf("inject=%s:signal=SIGKILL:when=%d", c.names, 1+random.IntN(c.most)),
				}
				if i%5 == 4 {
					wrapper = nil
				}
				before := w.ordinal
				if w.child(t, failpoint{name: "-"}, wrapper, 1+random.IntN(victimSaves-1), time.Duration(random.IntN(3000))*time.Microsecond) &&
					w.ordinal < before+1 {
					early++
				}
				w.visit(t)
			}
			t.Logf("%d kills, %d of them before a save was acknowledged, %d snapshots", kills, early, w.ordinal)
		})
	}
}
