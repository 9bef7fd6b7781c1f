// Package program lets tests run a command as a process of its own: the test binary becomes it.
package program

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"regexp"
	"sync"
	"testing"
	"time"
)

// asCommand in the environment makes a test binary be the command.
const asCommand = "EPHEMERA_EXAMPLE_AS_COMMAND"

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// Main is for TestMain: it runs main, which must not return, in processes that Start has started, and the tests in all others.
func Main(m *testing.M, main func()) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Exit(m.Run())
}

// A Process is the command while it runs.
type Process struct {
	command     *exec.Cmd
	out, errors output
	over        chan struct{}
}

// Start starts the command, which is killed when the test ends.
func Start(t *testing.T, args ...string) *Process {
	t.Helper()
	p := &Process{over: make(chan struct{})}
	p.command = exec.CommandContext(context.Background(), os.Args[0], args...)
	p.command.Env = append(os.Environ(), asCommand+"=1")
	p.command.Stdout, p.command.Stderr = &p.out, &p.errors
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.over)
		_ = p.command.Wait()
	}()
	t.Cleanup(func() {
		_ = p.command.Process.Kill()
		<-p.over
	})
	return p
}

// Wait returns the first match of an expression in standard output, or its first group if it has one, as soon as it is there.
func (p *Process) Wait(t *testing.T, expression string) string {
	t.Helper()
	r := regexp.MustCompile(expression)
	timeout := time.After(patience)
	for over := false; ; {
		text, grown := p.out.now()
		if m := r.FindStringSubmatch(text); m != nil {
			return m[len(m)-1]
		}
		if over {
			t.Fatalf("the command ended without %q:\n%s%s", expression, text, &p.errors)
		}
		select {
		case <-grown:
		case <-p.over:
			over = true
		case <-timeout:
			t.Fatalf("no %q in time:\n%s%s", expression, text, &p.errors)
		}
	}
}

// Signal sends a signal.
func (p *Process) Signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.command.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// A Result is what a command did.
type Result struct {
	Code           int // -1 if a signal ended it
	Stdout, Stderr string
}

// End waits for the end of the command.
func (p *Process) End(t *testing.T) Result {
	t.Helper()
	select {
	case <-p.over:
	case <-time.After(patience):
		t.Fatalf("the command does not end:\n%s%s", &p.out, &p.errors)
	}
	return Result{p.command.ProcessState.ExitCode(), p.out.String(), p.errors.String()}
}

// Run runs the command to its end.
func Run(t *testing.T, args ...string) Result {
	t.Helper()
	return Start(t, args...).End(t)
}

// output is what a command wrote so far. The zero value is empty.
type output struct {
	mu    sync.Mutex
	text  bytes.Buffer
	grown chan struct{}
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.grown != nil {
		close(o.grown)
		o.grown = nil
	}
	return o.text.Write(p)
}

// now returns the text, and a channel that is closed when there is more.
func (o *output) now() (string, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.grown == nil {
		o.grown = make(chan struct{})
	}
	return o.text.String(), o.grown
}

func (o *output) String() string {
	text, _ := o.now()
	return text
}
