package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const module = "github.com/ephemera-go/ephemera/"

// A process is one of the programs, in a process of its own.
type process struct {
	name, url string
	command   *exec.Cmd
	errors    bytes.Buffer // of its standard error, to be read when it has ended
	ended     chan struct{}
	killed    bool
}

// begin starts a process.
func (p *process) begin() error {
	p.command.Stderr = &p.errors
	if err := p.command.Start(); err != nil {
		return err
	}
	p.ended = make(chan struct{})
	go func() {
		defer close(p.ended)
		_ = p.command.Wait() // ProcessState knows
	}()
	return nil
}

// kill ends a process as a crash does.
func (p *process) kill() error {
	p.killed = true
	err := p.command.Process.Kill()
	<-p.ended
	return err
}

// stop ends it as an operator does, and wants it to end well.
func (p *process) stop() error {
	if p.killed {
		return nil
	}
	err := p.command.Process.Signal(syscall.SIGTERM)
	<-p.ended
	if !p.command.ProcessState.Success() {
		return fmt.Errorf("stopping %s: %w: %v\n%s", p.name, errors.Join(err, errUnclean), p.command.ProcessState, &p.errors)
	}
	return nil
}

var errUnclean = errors.New("it did not end well")

// topology is everything that runs.
type topology struct {
	folder        string
	server, nginx *process
	gateways      [3]*process
	all           []*process // in the order in which they were started
}

// start builds the programs and starts them, each when those that it needs are ready. If it fails, nothing is left.
func start(ctx context.Context) (*topology, error) {
	folder, err := os.MkdirTemp("", "gateways")
	if err != nil {
		return nil, err
	}
	t := &topology{folder: folder}
	if err := t.startAll(ctx); err != nil {
		return nil, errors.Join(err, t.stop())
	}
	return t, nil
}

func (t *topology) startAll(ctx context.Context) (err error) {
	server, gateway := filepath.Join(t.folder, "ephemera"), filepath.Join(t.folder, "gateways")
	if err := build(ctx, module+"server/cmd/ephemera", server); err != nil {
		return err
	}
	if err := build(ctx, module+"examples/gateways", gateway); err != nil {
		return err
	}
	t.server, err = t.run(ctx, "server", server, "serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(t.folder, "data"),
		"--stream-events", "1000000", "--log-level", "warn")
	if err != nil {
		return err
	}
	addresses := [3]string{}
	for i := range t.gateways {
		id := fmt.Sprintf("g%d", i+1)
		t.gateways[i], err = t.run(ctx, id, gateway, "--listen", "127.0.0.1:0", "--id", id, "--server", t.server.url)
		if err != nil {
			return err
		}
		addresses[i] = strings.TrimPrefix(t.gateways[i].url, "http://")
	}
	conf, err := nginxConf(ctx)
	if err != nil {
		return err
	}
	t.nginx, err = t.startNginx(ctx, conf, addresses)
	return err
}

// build makes a program. The go command keeps what it has linked to run.
func build(ctx context.Context, program, path string) error {
	out, err := exec.CommandContext(ctx, "go", "run", "-exec", "cp", program, path).CombinedOutput()
	if err != nil {
		return fmt.Errorf("building %s: %w\n%s", program, err, out)
	}
	return nil
}

// run starts a program that says "ready: URL" on a line of its own.
func (t *topology) run(ctx context.Context, name, path string, args ...string) (*process, error) {
	p := &process{name: name, command: exec.CommandContext(context.WithoutCancel(ctx), path, args...)}
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.command.Stdout = in
	err = errors.Join(p.begin(), in.Close())
	if err != nil {
		return nil, err
	}
	t.all = append(t.all, p)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), "ready: "); ok {
			p.url, _, _ = strings.Cut(rest, ",")
			go func() { _, _ = io.Copy(io.Discard, out) }() // what it says later
			return p, nil
		}
	}
	<-p.ended
	return nil, fmt.Errorf("%s does not start:\n%s", name, &p.errors)
}

// stop ends everything in the opposite order of start.
func (t *topology) stop() error {
	var failed []error
	for _, p := range slices.Backward(t.all) {
		failed = append(failed, p.stop())
	}
	return errors.Join(append(failed, os.RemoveAll(t.folder))...)
}

// nginxConf returns the file of the folder above.
func nginxConf(ctx context.Context) (string, error) {
	folder, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", module+"examples/gateways").Output()
	if err != nil {
		return "", fmt.Errorf("looking for nginx.conf: %w", err)
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(folder)), "nginx.conf"))
	return string(text), err
}

// startNginx starts nginx with a configuration, but other addresses, and folders that need no special rights.
func (t *topology) startNginx(ctx context.Context, conf string, gateways [3]string) (*process, error) {
	path, err := exec.LookPath("nginx")
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/nginx"); err != nil {
			return nil, fmt.Errorf("nginx is not installed (Debian: apt-get install nginx-light): %w", err)
		}
	}
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	for old, own := range map[string]string{
		"gateway1:8080": gateways[0], "gateway2:8080": gateways[1], "gateway3:8080": gateways[2],
		"listen 80;": "listen " + address + ";",
		"http {":     "http {\n\taccess_log off;\n\tclient_body_temp_path body;\n\tproxy_temp_path proxy;\n\tfastcgi_temp_path fastcgi;\n\tuwsgi_temp_path uwsgi;\n\tscgi_temp_path scgi;",
	} {
		if strings.Count(conf, old) != 1 {
			return nil, fmt.Errorf("nginx.conf does not have %q once", old)
		}
		conf = strings.Replace(conf, old, own, 1)
	}
	folder, err := os.MkdirTemp(t.folder, "nginx")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(folder, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		return nil, err
	}
	p := &process{name: "nginx", url: "http://" + address}
	p.command = exec.CommandContext(context.WithoutCancel(ctx), path, "-p", folder, "-c", file, "-e", "stderr",
		"-g", "daemon off; master_process off; pid nginx.pid;")
	if err := p.begin(); err != nil {
		return nil, err
	}
	t.all = append(t.all, p)
	return p, p.listens(ctx, address)
}

// listens waits for a process that does not say when it is ready.
func (p *process) listens(ctx context.Context, address string) error {
	for {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.ended:
			return fmt.Errorf("%s ended:\n%s", p.name, &p.errors)
		case <-time.After(5 * time.Millisecond): // between questions to another process
		}
	}
}

// freeAddress finds a port for nginx, which cannot find one itself. It is below those that systems give to connections, so none
// takes it before nginx is there.
func freeAddress(ctx context.Context) (string, error) {
	const low, high, attempts = 20000, 32000, 50
	var err error
	for range attempts {
		address := fmt.Sprintf("127.0.0.1:%d", low+rand.IntN(high-low))
		var l net.Listener
		if l, err = new(net.ListenConfig).Listen(ctx, "tcp", address); err == nil {
			return address, l.Close()
		}
	}
	return "", fmt.Errorf("no free port between %d and %d: %w", low, high, err)
}
