package verify

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/window"
)

// childVariable makes the test binary another process: its job and the arguments of that, between bars.
const childVariable = "EPHEMERA_VERIFY_CHILD"

var childJobs = map[string]func(ctx context.Context, args []string) error{
	"crash": childCrash, "lock": childLock, "hold": childHold, "save": childSave,
}

// beChild does a child's job and ends the process; it returns at once in a process that is none.
func beChild() {
	args := strings.Split(os.Getenv(childVariable), "|")
	job := childJobs[args[0]]
	if job == nil {
		return
	}
	signal.Ignore(os.Interrupt) // of a terminal; it is for the parent
	if err := job(context.Background(), args[1:]); err != nil {
		fmt.Println("ERROR", err)
		os.Exit(3)
	}
	os.Exit(0)
}

type child struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines *bufio.Scanner
}

// start runs a child; a wrapper is a command that runs it.
func start(t *testing.T, wrapper []string, args ...string) *child {
	t.Helper()
	exe, err := os.Executable()
	must(t, err)
	command := slices.Concat(wrapper, []string{exe})
	c := &child{cmd: exec.CommandContext(t.Context(), command[0], command[1:]...)}
	c.cmd.Env = append(os.Environ(), childVariable+"="+strings.Join(args, "|"))
	c.cmd.Stderr = os.Stderr
	c.stdin, err = c.cmd.StdinPipe()
	must(t, err)
	out, err := c.cmd.StdoutPipe()
	must(t, err)
	c.lines = bufio.NewScanner(out)
	must(t, c.cmd.Start())
	return c
}

// expect reads one line.
func (c *child) expect(t *testing.T, want string) {
	t.Helper()
	if !c.lines.Scan() || c.lines.Text() != want {
		t.Fatalf("child says %q instead of %s", c.lines.Text(), want)
	}
}

// end lets a waiting child go on and waits for its end.
func (c *child) end(t *testing.T) {
	t.Helper()
	must(t, c.stdin.Close())
	for c.lines.Scan() {
		t.Log(c.lines.Text())
	}
	must(t, c.cmd.Wait())
}

func (c *child) kill(t *testing.T) {
	t.Helper()
	must(t, c.cmd.Process.Kill())
	if err := c.cmd.Wait(); err == nil {
		t.Fatal("the child ended well in spite of SIGKILL")
	}
}

// fence ends the process at one write of a window: before it, or after it but before the window knows.
type fence struct {
	sinks.SignalStore
	point, writes int
}

func (f *fence) Append(ctx context.Context, batch []sinks.Signal) error {
	f.writes++
	if f.writes == f.point/2+1 && f.point%2 == 0 {
		killMyself()
	}
	err := f.SignalStore.Append(ctx, batch)
	if f.writes == f.point/2+1 {
		killMyself()
	}
	return err
}

func killMyself() {
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		_ = self.Kill()
	}
	select {} // nothing happens after it
}

// exactBatch is how many signals a child of the exact kind raises between two flushes, all in one write.
const exactBatch = 100

// childCrash raises and flushes until it is killed, and says what it was promised. Arguments: URL, number of the run,
// point of fence or -1.
func childCrash(ctx context.Context, args []string) error {
	fmt.Println("PROCESS", os.Getpid())
	run, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	point, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	store, err := sinks.OpenSignals(ctx, args[0])
	if err != nil {
		return err
	}
	if point >= 0 {
		store = &fence{SignalStore: store, point: point}
	}
	o := window.Options{
		Store: store, Capacity: 3000, MaxPending: 1 << 20, HighWater: 700, MaxPerFlush: 250, FlushInterval: time.Millisecond,
	}
	raisers, each := []string{"a", "b"}, uint64(37)
	if exactRun(run) {
		o = byHand(store)
		o.MaxPerFlush, raisers, each = exactBatch, []string{"x"}, exactBatch
	}
	w, err := window.New(ctx, o)
	if err != nil {
		return err
	}
	if _, err := w.Load(ctx, window.LoadOptions{}); err != nil {
		return err
	}
	var all sync.WaitGroup
	failed := make(chan error, len(raisers))
	for _, r := range raisers {
		all.Go(func() { failed <- raiseAndFlush(ctx, w, fmt.Sprint("run", run, r), each) })
	}
	all.Wait()
	return errors.Join(<-failed, errors.New("nobody killed this process"))
}

func exactRun(run int) bool { return run%3 == 2 }

func raiseAndFlush(ctx context.Context, w *window.Window, source string, each uint64) error {
	for n := uint64(0); n < 2000*each; {
		for end := n + each; n < end; n++ {
			if _, err := raiseOne(w, source, n); err != nil {
				return err
			}
		}
		if err := w.Flush(ctx); err != nil {
			return err
		}
		fmt.Println("DURABLE", source, n)
	}
	return nil
}

func untilParentSaysSo() { _, _ = io.Copy(io.Discard, os.Stdin) }

// childLock holds the write lock of the SQLite file that is its argument.
func childLock(ctx context.Context, args []string) error {
	db, err := sql.Open("sqlite", args[0])
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	fmt.Println("LOCKED")
	untilParentSaysSo()
	_, err = db.ExecContext(ctx, "ROLLBACK")
	return errors.Join(err, db.Close())
}

// childHold holds the lease of the store that is its argument and has a window on it.
func childHold(ctx context.Context, args []string) error {
	store, err := sinks.OpenSignals(ctx, args[0])
	if err != nil {
		return err
	}
	if _, err := sinks.Hold(ctx, store, sinks.Claim{Owner: "the child", TTL: time.Hour}); err != nil {
		return err
	}
	w, err := window.New(ctx, byHand(store))
	if err != nil {
		return err
	}
	for n := range uint64(10) {
		if _, err := raiseOne(w, "child", n); err != nil {
			return err
		}
	}
	if err := w.Flush(ctx); err != nil {
		return err
	}
	fmt.Println("HELD")
	untilParentSaysSo()
	return nil
}
