package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// A machine says where figures come from. Without it they mean nothing.
type machine struct {
	CPU        string  `json:"cpu"`
	Cores      int     `json:"cores"`
	GOMAXPROCS int     `json:"gomaxprocs"`
	Go         string  `json:"go"`
	OS         string  `json:"os"`
	LoadBefore string  `json:"loadBefore"`
	LoadAfter  string  `json:"loadAfter"`
	Overlap    float64 `json:"cpuPerWall"` // of the runs with 2 writers: near 2 only if they really overlapped
}

func thisMachine() machine {
	return machine{
		CPU: cpuModel(), Cores: runtime.NumCPU(), GOMAXPROCS: runtime.GOMAXPROCS(0), Go: runtime.Version(),
		OS: runtime.GOOS + "/" + runtime.GOARCH, LoadBefore: loadAverage(),
	}
}

const unknown = "unknown"

// cpuModel is known on Linux only.
func cpuModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return unknown
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return unknown
}

// loadAverage returns the three load averages, on Linux only.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return unknown
	}
	fields := strings.Fields(string(text))
	return strings.Join(fields[:min(3, len(fields))], " ")
}

func (m machine) String() string {
	overlap := unknown
	if m.Overlap > 0 {
		overlap = fmt.Sprintf("%.2f", m.Overlap)
	}
	return fmt.Sprintf("%s, %d cores, GOMAXPROCS %d, %s, %s; load average before %s, after %s; CPU/wall with 2 writers %s",
		m.CPU, m.Cores, m.GOMAXPROCS, m.Go, m.OS, m.LoadBefore, m.LoadAfter, overlap)
}
