package s3store

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// thisProcess identifies this process beyond its end, and among the machines that use one bucket: the host is this boot
// of this machine under this name, as seen from this space of process ids; the id is process id and start time, so that
// a later process with the same number is another one. A part that cannot be read makes the process unknown to others:
// they wait for the TTL.
var thisProcess = sync.OnceValue(func() process {
	name, errName := os.Hostname()
	boot, errBoot := os.ReadFile("/proc/sys/kernel/random/boot_id")
	space, errSpace := os.Readlink("/proc/self/ns/pid")
	started, _, errStart := startTime(os.Getpid())
	if errors.Join(errName, errBoot, errSpace, errStart) != nil {
		return process{}
	}
	return process{
		host: strings.Join([]string{name, strings.TrimSpace(string(boot)), space}, "/"),
		id:   strconv.Itoa(os.Getpid()) + "@" + started,
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

// ended reports whether p is a process of this machine that has ended.
func (p process) ended() bool {
	if p.host == "" || p.host != thisProcess().host {
		return false
	}
	number, started, ok := strings.Cut(p.id, "@")
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
