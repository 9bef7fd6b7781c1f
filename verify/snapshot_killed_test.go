package verify

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
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

func nextOf(s *core.Store[event]) []uint64 {
	list := make([]uint64, victimWriters)
	for partition := range list {
		list[partition], _ = s.Next(partition)
	}
	return list
}

// nexts is nextOf for a line of a child.
func nexts(s *core.Store[event]) string { return strings.Trim(fmt.Sprint(nextOf(s)), "[]") }

func parseNumbers(t testing.TB, words []string) (list []uint64) {
	t.Helper()
	for _, w := range words {
		n, err := strconv.ParseUint(w, 10, 64)
		must(t, err)
		list = append(list, n)
	}
	return list
}

// killsOr returns EPHEMERA_KILLS, or a number if it is not set.
func killsOr(t *testing.T, otherwise int) int {
	t.Helper()
	return int(envCount(t, "EPHEMERA_KILLS", uint64(otherwise)))
}

// TestSnapshotKilled kills a process that appends and saves at every failpoint: what was acknowledged is there, and what is
// there is a contiguous part of what was appended; sequences go on upward; no epoch goes on that may have had more.
func TestSnapshotKilled(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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
