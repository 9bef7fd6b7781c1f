package main

import (
	"context"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/ephemera-go/ephemera/benchmarks/internal/measure"
)

// machineHeader says where figures come from. What go test itself says about the machine takes precedence.
func machineHeader(ctx context.Context, s schedule, command string, now time.Time) map[string]string {
	return map[string]string{
		keyDate:       now.UTC().Format(time.RFC3339),
		keyGo:         runtime.Version(),
		keyOS:         runtime.GOOS,
		keyArch:       runtime.GOARCH,
		keyCPU:        measure.Unknown,
		keyCores:      strconv.Itoa(runtime.NumCPU()),
		keyProcs:      strconv.Itoa(runtime.GOMAXPROCS(0)),
		keyRounds:     strconv.Itoa(s.rounds),
		keyMode:       s.mode,
		keyCommand:    command,
		keyRevision:   revision(ctx),
		keyLoadBefore: measure.LoadAverage(),
	}
}

// revision names the commit that was measured; "-dirty" says that files differ from it.
func revision(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12").Output()
	if text := strings.TrimSpace(string(out)); err == nil && text != "" {
		return text
	}
	return measure.Unknown
}
