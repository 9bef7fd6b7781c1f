package main

import (
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const (
	bucket       = "ephemera"
	prefix       = "test"
	probeTimeout = 5 * time.Second
)

// startS3 starts an S3 server and makes the bucket.
func (s *session) startS3(ctx context.Context) (*server, string, error) {
	binary, err := s.builtTool(ctx, s.s3)
	if err != nil {
		return nil, "", err
	}
	dir := filepath.Join(s.dir, "s3")
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
		return nil, "", err
	}
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, "", err
	}
	client := s3Client{endpoint: "http://" + address, access: "ephemera", secret: rand.Text()}
	args := []string{"--port", address, "--quiet", "--keep-alive", "posix", filepath.Join(dir, "data")}
	env := []string{"ROOT_ACCESS_KEY_ID=" + client.access, "ROOT_SECRET_ACCESS_KEY=" + client.secret}
	if s.s3 == "minio" {
		args = []string{"server", "--quiet", "--address", address, filepath.Join(dir, "data")}
		env = []string{"MINIO_ROOT_USER=" + client.access, "MINIO_ROOT_PASSWORD=" + client.secret, "MINIO_BROWSER=off", "MINIO_UPDATE=off"}
	}
	server := &server{
		name: "s3", about: fmt.Sprintf("%s, %s", binary, client.endpoint),
		log: filepath.Join(s.dir, "s3.log"), quit: syscall.SIGKILL,
		command: func() *exec.Cmd {
			cmd := exec.CommandContext(context.WithoutCancel(ctx), binary, args...)
			cmd.Dir, cmd.Env = dir, serverEnv(dir, env...)
			cmd.SysProcAttr = attributes(nil, syscall.SIGKILL)
			return cmd
		},
		ready: client.makeBucket,
	}
	s.unsetenv("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")
	s.setenv("AWS_ACCESS_KEY_ID", client.access)
	s.setenv("AWS_SECRET_ACCESS_KEY", client.secret)
	query := url.Values{"endpoint": {client.endpoint}, "region": {s3Region}, "path_style": {"true"}}
	store := url.URL{Scheme: "s3", Host: bucket, Path: "/" + prefix, RawQuery: query.Encode()}
	return server, store.String(), s.launch(ctx, server)
}

// freeAddress finds a port below those that systems give to outgoing connections: while a server restarts, no client can be
// given its port, nor connect to itself there.
func freeAddress(ctx context.Context) (string, error) {
	const low, high, attempts = 20000, 32000, 50
	var config net.ListenConfig
	var err error
	for range attempts {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(low+mathrand.IntN(high-low)))
		var listener net.Listener
		if listener, err = config.Listen(ctx, "tcp", address); err == nil {
			return address, listener.Close()
		}
	}
	return "", fmt.Errorf("no free port between %d and %d: %w", low, high, err)
}

// makeBucket makes the bucket unless it exists. Its signature proves that the server is ours, not another at the same port.
func (c s3Client) makeBucket(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	status, _, err := c.do(ctx, http.MethodHead, "/"+bucket, nil)
	if err != nil || status == http.StatusOK {
		return err
	}
	status, answer, err := c.do(ctx, http.MethodPut, "/"+bucket, nil)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("making the bucket: status %d: %s", status, answer)
	}
	return err
}
