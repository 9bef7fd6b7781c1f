package main

import "testing"

// Nobody can tidy up after SIGKILL, but the kernel ends the server and the command.
func TestKilled(t *testing.T) {
	server := watchedServer(t)
	cmd := program(t, "-need", "postgres", "--", "sh", "-c", "echo child; exec sleep 1000")
	command := begun(t, cmd)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	untilEnd(t, command)
	if n := untilEnd(t, server); n == 0 {
		t.Error("the server never ran")
	}
	_ = cmd.Wait() // killed
}
