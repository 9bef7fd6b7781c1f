//go:build unix

package main

import (
	"os"
	"os/user"
	"strconv"
	"syscall"
)

const onUnix = true

// quitPostgres ends PostgreSQL at once with all its processes; the next start recovers.
const quitPostgres = syscall.SIGQUIT

// owner is a user that processes run as and files belong to.
type owner struct{ uid, gid int }

const nobody = 65534

// unprivileged is the user for servers that refuse to run as root.
func unprivileged() *owner {
	if u, err := user.Lookup("postgres"); err == nil {
		uid, uidErr := strconv.Atoi(u.Uid)
		gid, gidErr := strconv.Atoi(u.Gid)
		if uidErr == nil && gidErr == nil {
			return &owner{uid, gid}
		}
	}
	return &owner{nobody, nobody}
}

// attributes makes a process the leader of a group, so that keys pressed at a terminal reach testenv alone.
func attributes(as *owner, atParentDeath syscall.Signal) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true}
	if as != nil {
		a.Credential = &syscall.Credential{Uid: uint32(as.uid), Gid: uint32(as.gid)}
	}
	dieWithParent(a, atParentDeath)
	return a
}

func signalGroup(leader *os.Process, s syscall.Signal) error { return syscall.Kill(-leader.Pid, s) }

func exitCode(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}
