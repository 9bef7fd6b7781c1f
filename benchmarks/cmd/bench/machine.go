package main

import (
	"fmt"
	"runtime"

	"github.com/ephemera-go/ephemera/benchmarks/internal/measure"
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
		CPU: measure.CPUModel(), Cores: runtime.NumCPU(), GOMAXPROCS: runtime.GOMAXPROCS(0), Go: runtime.Version(),
		OS: runtime.GOOS + "/" + runtime.GOARCH, LoadBefore: measure.LoadAverage(),
	}
}

func (m machine) String() string {
	overlap := measure.Unknown
	if m.Overlap > 0 {
		overlap = fmt.Sprintf("%.2f", m.Overlap)
	}
	return fmt.Sprintf("%s, %d cores, GOMAXPROCS %d, %s, %s; load average before %s, after %s; CPU/wall with 2 writers %s",
		m.CPU, m.Cores, m.GOMAXPROCS, m.Go, m.OS, m.LoadBefore, m.LoadAfter, overlap)
}
