package process

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// The host is this boot of this machine under this name, as seen from this space of process ids: copies of a running machine
// have its boot, but should have names of their own. The id is process id and start time, so that a later process with the
// same number is another one.
var this = sync.OnceValue(func() Process {
	name, errName := os.Hostname()
	boot, errBoot := os.ReadFile("/proc/sys/kernel/random/boot_id")
	space, errSpace := os.Readlink("/proc/self/ns/pid")
	started, _, errStart := startTime(os.Getpid())
	if errors.Join(errName, errBoot, errSpace, errStart) != nil {
		return unknown()
	}
	return Process{
		Host: strings.Join([]string{name, strings.TrimSpace(string(boot)), space}, "/"),
		ID:   strconv.Itoa(os.Getpid()) + "@" + started,
	}
})

// startTime returns when a process was started, in clock ticks since boot, and whether it has ended and only waits for its
// parent to notice.
func startTime(pid int) (started string, ended bool, err error) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", false, err
	}
	// The second field is a name in parentheses that may hold anything. The state is field 3, the start time field 22.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 20 {
		return "", false, errors.New("unknown form of /proc/PID/stat")
	}
	return fields[19], fields[0] == "Z" || fields[0] == "X", nil
}

// ended reports whether a process of this host is known to have ended.
func ended(id string) bool {
	number, started, ok := strings.Cut(id, "@")
	pid, err := strconv.Atoi(number)
	if !ok || err != nil || pid < 1 {
		return false
	}
	// The entry in /proc may be hidden from other users, a signal is refused to them in another way.
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	now, ended, err := startTime(pid)
	return err == nil && (ended || now != started)
}
