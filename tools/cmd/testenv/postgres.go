package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
)

// The port only names the socket: nothing listens on TCP.
const postgresPort = "5432"

// createDatabase makes what tests get: a database of their own and no other right.
const createDatabase = "CREATE ROLE ephemera LOGIN;\nCREATE DATABASE ephemera OWNER ephemera;\n"

// startPostgres makes a cluster and starts it. It keeps its promises across a crash: fsync stays on.
func (s *session) startPostgres(ctx context.Context) (*server, string, error) {
	bin, err := s.postgresFolder(ctx)
	if err != nil {
		return nil, "", err
	}
	dir := filepath.Join(s.dir, "postgres")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, "", err
	}
	var as *owner
	if s.host.root {
		if as = unprivileged(); as != nil {
			if err := os.Chown(dir, as.uid, as.gid); err != nil {
				return nil, "", err
			}
		}
	}
	data := filepath.Join(dir, "data")
	command := func(ctx context.Context, name string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, filepath.Join(bin, name), args...)
		cmd.Dir, cmd.Env = dir, serverEnv(dir)
		cmd.SysProcAttr = attributes(as, quitPostgres)
		return cmd
	}
	setup := command(ctx, "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	if err := runSetup(setup); err != nil {
		return nil, "", err
	}
	setup = command(ctx, "postgres", "--single", "-D", data, "postgres")
	setup.Stdin = bytes.NewReader([]byte(createDatabase))
	if err := runSetup(setup); err != nil {
		return nil, "", err
	}
	server := &server{
		name: "postgres", about: fmt.Sprintf("%s, socket in %s", bin, dir),
		log: filepath.Join(s.dir, "postgres.log"), quit: quitPostgres,
		command: func() *exec.Cmd {
			return command(context.WithoutCancel(ctx), "postgres", "-D", data, "-k", dir, "-p", postgresPort, "-h", "")
		},
		ready: func(ctx context.Context) error {
			return command(ctx, "pg_isready", "-q", "-h", dir, "-p", postgresPort, "-d", "ephemera").Run()
		},
	}
	query := url.Values{"host": {dir}, "port": {postgresPort}}
	address := url.URL{Scheme: "postgres", User: url.User("ephemera"), Path: "/ephemera", RawQuery: query.Encode()}
	return server, address.String(), s.launch(ctx, server)
}

// runSetup runs a command that prepares a server.
func runSetup(cmd *exec.Cmd) error {
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	p, err := spawn(cmd)
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w; as root, PostgreSQL runs as another user, who must be able to reach %s", err, cmd.Dir)
	}
	if err != nil {
		return err
	}
	<-p.ended
	if p.err != nil {
		return fmt.Errorf("%s: %w; it said:\n%s", filepath.Base(cmd.Path), p.err, lastLines(output.Bytes()))
	}
	return nil
}

// serverEnv keeps the caller's settings, such as PGOPTIONS or VGW_PORT, away from the servers.
func serverEnv(home string, more ...string) []string {
	return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home}, more...)
}

// launch starts a server and has it stopped at the end, whatever becomes of the start.
func (s *session) launch(ctx context.Context, server *server) error {
	s.servers = append(s.servers, server)
	server.mu.Lock()
	defer server.mu.Unlock()
	return server.start(ctx)
}
