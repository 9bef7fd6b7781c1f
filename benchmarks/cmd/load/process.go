package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

var errMissing = errors.New("a server is missing")

// patience is how long a server may take to start, and appends beyond their time.
const patience = 30 * time.Second

// A process is a server that runs.
type process struct {
	address string
	cmd     *exec.Cmd
	output  *bufio.Reader
	drained chan struct{} // nobody writes to its output any more
}

// A program says how to run a server.
type program struct {
	file  string
	args  []string
	env   []string
	ready *regexp.Regexp // of the line that says that it serves; its group is the address, unless that is known
	log   string         // file for standard error; empty: it is read like standard output
}

// start runs a program and waits until it serves.
func start(ctx context.Context, p program, address string) (*process, error) {
	s := &process{address: address, cmd: exec.CommandContext(ctx, p.file, p.args...), drained: make(chan struct{})}
	s.cmd.Env = append(os.Environ(), p.env...)
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	s.cmd.Stdout, s.cmd.Stderr = w, w
	if p.log != "" {
		f, err := os.Create(p.log)
		if err != nil {
			return nil, errors.Join(err, r.Close(), w.Close())
		}
		defer func() { _ = f.Close() }()
		s.cmd.Stderr = f
	}
	err = s.cmd.Start()
	_ = w.Close()
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	s.output = bufio.NewReader(r)
	if err := s.await(p.ready); err != nil {
		close(s.drained)
		s.stop()
		return nil, fmt.Errorf("%s does not start: %w", filepath.Base(p.file), err)
	}
	go func() {
		defer close(s.drained)
		_, _ = io.Copy(io.Discard, s.output)
		_ = r.Close()
	}()
	return s, nil
}

// await reads until the line that says that the server is ready.
func (s *process) await(ready *regexp.Regexp) error {
	late := time.AfterFunc(patience, func() { _ = s.cmd.Process.Kill() }) // which ends its output
	defer late.Stop()
	var seen strings.Builder
	for {
		line, err := s.output.ReadString('\n')
		seen.WriteString(line)
		if m := ready.FindStringSubmatch(line); m != nil {
			if len(m) > 1 {
				s.address = m[1]
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("it ended, saying %q", seen.String())
		}
	}
}

// stop kills the server: nothing of it is wanted any more.
func (s *process) stop() {
	_ = s.cmd.Process.Kill()
	<-s.drained
	_ = s.cmd.Wait()
}

// look finds a server on this machine or says how to get it.
func look(name, how string) (string, error) {
	file, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%w: %s is not in PATH; %s, or leave it out with -targets", errMissing, name, how)
	}
	return file, nil
}

// firstLine runs a command that ends and returns what it says first.
func firstLine(ctx context.Context, file string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, file, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", filepath.Base(file), err, out)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line, nil
}
