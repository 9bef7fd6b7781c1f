package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// serverNames are the known servers, in the order in which they start.
var serverNames = []string{"postgres", "s3"}

const (
	// How long a command may take to end after a signal.
	commandGrace = 5 * time.Second
	// Paths of Unix sockets have at most 103 bytes on some systems; PostgreSQL's adds 23 to the folder.
	maxDirLength = 75
)

// missing says that a server is not on this machine, and how to get it.
type missing struct{ reason, remedy string }

func (m missing) Error() string { return m.reason + "; " + m.remedy }

// session is one run of a command beside its servers.
type session struct {
	config
	host    host
	stdout  io.Writer
	stderr  io.Writer
	dir     string
	env     []string
	servers []*server
}

func newSession(c config, h host, stdout, stderr io.Writer) *session {
	return &session{config: c, host: h, stdout: stdout, stderr: stderr, env: os.Environ()}
}

func (s *session) say(format string, args ...any) {
	fmt.Fprintf(s.stderr, "testenv: "+format+"\n", args...)
}

func (s *session) run(ctx context.Context) (code int, err error) {
	if _, err := exec.LookPath(s.command[0]); err != nil {
		return commandFailed(err)
	}
	if err := s.makeDir(); err != nil {
		return exitFailed, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(s.dir)) }()
	defer s.stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // a restart that is under way does not delay the stop
	for _, name := range serverNames {
		if err := s.provide(ctx, name); err != nil {
			return exitFailed, fmt.Errorf("%s: %w", name, err)
		}
	}
	return s.runCommand(ctx)
}

// makeDir makes the folder for everything. Other users may pass through it: as root, PostgreSQL is another user.
func (s *session) makeDir() error {
	dir, err := os.MkdirTemp("", "testenv")
	if err != nil {
		return err
	}
	if s.dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	if len(s.dir) > maxDirLength {
		return errors.Join(fmt.Errorf("folder %s is too long for the path of a socket; set TMPDIR to a shorter one", s.dir), os.Remove(s.dir))
	}
	return os.Chmod(s.dir, 0o711)
}

// provide starts a server unless the caller has one, and goes on without one that is not here if that is fine.
func (s *session) provide(ctx context.Context, name string) error {
	variable := "EPHEMERA_TEST_" + strings.ToUpper(name)
	needed := slices.Contains(s.need, name)
	if os.Getenv(variable) != "" {
		s.say("%s is set, so no %s is started", variable, name)
		return nil
	}
	if len(s.need) > 0 && !needed {
		return nil
	}
	start := s.startPostgres
	if name == "s3" {
		start = s.startS3
	}
	begin := time.Now()
	server, url, err := start(ctx)
	if absent := (missing{}); errors.As(err, &absent) && !needed && os.Getenv("EPHEMERA_CI") == "" {
		s.say("going on without %s: %v", name, err)
		return nil
	}
	if err != nil {
		return err
	}
	restart, err := server.serveRestarts(ctx, filepath.Join(s.dir, name+".restart"))
	if err != nil {
		return err
	}
	s.setenv(variable, url)
	s.setenv(variable+"_RESTART", restart)
	s.say("started %s in %v: %s", name, time.Since(begin).Round(time.Millisecond), server.about)
	return nil
}

func (s *session) setenv(name, value string) { s.env = append(s.env, name+"="+value) }

// unsetenv keeps settings of the caller from mixing with ours.
func (s *session) unsetenv(names ...string) {
	s.env = slices.DeleteFunc(s.env, func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains(names, name)
	})
}

// stop ends the servers and tells of those that ended by themselves.
func (s *session) stop() {
	for _, server := range slices.Backward(s.servers) {
		if err := server.stop(); err != nil {
			s.say("%s: %v", server.name, err)
		}
	}
}

func (s *session) runCommand(ctx context.Context) (int, error) {
	if ctx.Err() != nil {
		return exitFailed, context.Cause(ctx)
	}
	cmd := exec.CommandContext(ctx, s.command[0], s.command[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = s.env, s.stdout, s.stderr
	cmd.SysProcAttr = attributes(nil, syscall.SIGTERM)
	cmd.WaitDelay = commandGrace
	cmd.Cancel = func() error {
		stop := interrupted{syscall.SIGTERM}
		errors.As(context.Cause(ctx), &stop)
		return signalGroup(cmd.Process, stop.signal)
	}
	p, err := spawn(cmd)
	if err != nil {
		return commandFailed(err)
	}
	<-p.ended
	if ctx.Err() != nil {
		_ = signalGroup(cmd.Process, syscall.SIGKILL) // what ignored the signal; often nothing is left
		return exitFailed, context.Cause(ctx)
	}
	if cmd.ProcessState == nil {
		return exitFailed, p.err
	}
	return exitCode(cmd.ProcessState), nil
}

func commandFailed(err error) (int, error) {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return exitNotFound, err
	}
	return exitNoRun, err
}
