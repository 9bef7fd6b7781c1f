//go:build explore

package explore

import (
	"fmt"
	"runtime"
	"strings"
)

// historyLines bounds the report of a long run; its end is what matters.
const historyLines = 200

// history collects what the threads did in a replayed run.
type history struct {
	lines   []string
	dropped int
}

// note records an operation with its place in the code under test.
func (s *scheduler) note(t *thread, op string, p any) {
	if s.history == nil {
		return
	}
	line := fmt.Sprintf("  step %d thread %d: %s", len(s.trace), t.id, op)
	if p != nil {
		line += fmt.Sprintf(" %T %p", p, p)
	}
	if at := place(); at != "" {
		line += " at " + at
	}
	h := s.history
	if len(h.lines) == historyLines {
		h.lines = h.lines[1:]
		h.dropped++
	}
	h.lines = append(h.lines, line)
}

// place is the innermost caller outside of this package and atomicx.
func place() string {
	var pcs [16]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		f, more := frames.Next()
		if f.File != "" && !strings.Contains(f.Function, "/internal/explore.") && !strings.Contains(f.Function, "/internal/atomicx.") {
			return fmt.Sprintf("%s:%d", f.File[strings.LastIndexByte(f.File, '/')+1:], f.Line)
		}
		if !more {
			return ""
		}
	}
}

func (h *history) String() string {
	var b strings.Builder
	if h.dropped > 0 {
		fmt.Fprintf(&b, "  (%d earlier operations)\n", h.dropped)
	}
	b.WriteString(strings.Join(h.lines, "\n"))
	return b.String()
}
