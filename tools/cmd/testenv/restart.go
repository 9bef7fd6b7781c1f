package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
)

const restarted = "restarted\n"

// serveRestarts restarts the server for every connection to the socket, and returns the shell command that connects.
func (s *server) serveRestarts(ctx context.Context, socket string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "unix", socket)
	if err != nil {
		return "", err
	}
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			answer := restarted
			if err := s.restart(ctx); err != nil {
				answer = err.Error()
			}
			_, _ = io.WriteString(conn, answer) // whoever asked may be gone
			_ = conn.Close()
		}
	}()
	return fmt.Sprintf("%s -restart %s", quote(self), quote(socket)), nil
}

// askRestart is the other side.
func askRestart(ctx context.Context, socket string) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", socket)
	if err != nil {
		return err
	}
	answer, err := io.ReadAll(conn)
	if err = errors.Join(err, conn.Close()); err != nil {
		return err
	}
	if string(answer) != restarted {
		return fmt.Errorf("restart failed: %s", answer)
	}
	return nil
}

// quote makes one word of a shell command.
func quote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }
