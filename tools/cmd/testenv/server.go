package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	startLimit = 60 * time.Second
	stopLimit  = 20 * time.Second
	probePause = 10 * time.Millisecond
	tailLines  = 15
)

// server is a process that can be started again on the same data and address.
type server struct {
	name    string
	about   string
	log     string                      // file with its output
	command func() *exec.Cmd            // a new one for each start
	ready   func(context.Context) error // nil once it does its work
	quit    syscall.Signal              // ends it at once, like a crash

	mu       sync.Mutex // held while it starts or stops
	process  *process
	stopping bool
}

// start returns when the server is ready. Callers hold mu.
func (s *server) start(ctx context.Context) error {
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	cmd := s.command()
	cmd.Stdout, cmd.Stderr = log, log
	s.process, err = spawn(cmd)
	if err = errors.Join(err, log.Close()); err != nil {
		return err
	}
	limit, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		err := s.ready(limit)
		if err == nil {
			return nil
		}
		select {
		case <-s.process.ended:
			state := s.process.cmd.ProcessState
			s.process = nil
			return fmt.Errorf("the server ended (%s); its log ends with:\n%s", state, s.tail())
		case <-limit.Done():
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return fmt.Errorf("not ready after %v: %w; its log ends with:\n%s", startLimit, err, s.tail())
		case <-time.After(probePause):
		}
	}
}

// end stops the process, if there is one, and waits until it is gone. Callers hold mu.
func (s *server) end() error {
	if s.process == nil {
		return nil
	}
	_ = signalGroup(s.process.cmd.Process, s.quit) // an error means that it is gone
	select {
	case <-s.process.ended:
		return nil
	case <-time.After(stopLimit):
	}
	_ = signalGroup(s.process.cmd.Process, syscall.SIGKILL)
	<-s.process.ended
	return fmt.Errorf("had to be killed: it did not end within %v", stopLimit)
}

func (s *server) restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return errors.New("testenv is stopping its servers")
	}
	if err := s.end(); err != nil {
		return err
	}
	return s.start(ctx)
}

// stop ends the server for good. It is an error if it had ended by itself.
func (s *server) stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopping = true
	if s.process == nil {
		return nil
	}
	select {
	case <-s.process.ended:
		return fmt.Errorf("had ended before it was stopped (%s); its log ends with:\n%s", s.process.cmd.ProcessState, s.tail())
	default:
		return s.end()
	}
}

// tail returns the end of the log.
func (s *server) tail() string {
	text, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	return lastLines(text)
}

func lastLines(text []byte) string {
	lines := strings.Split(string(bytes.TrimSpace(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
}
