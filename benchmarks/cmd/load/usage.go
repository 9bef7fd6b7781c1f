package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Linux counts processor time in hundredths of a second, for programs, whatever its own clock does.
const tick = 10 * time.Millisecond

// processorTime returns how long all processors have worked for a process.
func processorTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	return parseStat(string(text))
}

// parseStat reads the times of /proc/PID/stat. The second field is a name in parentheses, with blanks perhaps.
func parseStat(text string) (time.Duration, error) {
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	const user, system = 11, 12 // behind the name
	if len(fields) <= system {
		return 0, fmt.Errorf("/proc/PID/stat: %q", text)
	}
	var sum time.Duration
	for _, f := range fields[user : system+1] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/PID/stat: %w", err)
		}
		sum += time.Duration(n) * tick
	}
	return sum, nil
}

// busyTime returns how long all processors have worked for anybody, also outside of this machine if it is a guest.
func busyTime() (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	return parseBusy(string(text))
}

// parseBusy adds up the first line of /proc/stat: user, nice, system, idle, waiting, irq, softirq, steal; then what user and
// nice have in them already.
func parseBusy(text string) (time.Duration, error) {
	line, _, _ := strings.Cut(text, "\n")
	fields := strings.Fields(line)
	const idle, waiting, steal = 4, 5, 8
	if len(fields) <= steal || fields[0] != "cpu" {
		return 0, fmt.Errorf("/proc/stat: %q", line)
	}
	var sum time.Duration
	for i, f := range fields[1 : steal+1] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/stat: %w", err)
		}
		if i+1 != idle && i+1 != waiting {
			sum += time.Duration(n) * tick
		}
	}
	return sum, nil
}

// memory returns how many bytes of memory a process has, and how many at most it had.
func memory(pid int) (now, peak int64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, err
	}
	return parseStatus(string(text))
}

func parseStatus(text string) (now, peak int64, err error) {
	for line := range strings.Lines(text) {
		into := &now
		rest, ok := strings.CutPrefix(line, "VmRSS:")
		if !ok {
			into = &peak
			rest, ok = strings.CutPrefix(line, "VmHWM:")
		}
		if !ok {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("/proc/PID/status: %w", err)
		}
		*into = kib << 10
	}
	if now == 0 || peak == 0 {
		return 0, 0, fmt.Errorf("/proc/PID/status: no memory in %q", text)
	}
	return now, peak, nil
}
