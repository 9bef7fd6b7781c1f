//go:build !unix

package main

import (
	"os"
	"syscall"
)

const (
	onUnix       = false
	quitPostgres = syscall.SIGKILL
)

type owner struct{ uid, gid int }

func unprivileged() *owner { return nil }

func attributes(*owner, syscall.Signal) *syscall.SysProcAttr { return nil }

func signalGroup(leader *os.Process, _ syscall.Signal) error { return leader.Kill() }

func exitCode(state *os.ProcessState) int { return state.ExitCode() }
