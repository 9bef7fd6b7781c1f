//go:build !explore

package atomicx_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ephemera-go/ephemera/core/internal/atomicx"
)

// These compile only while the names are aliases.
var (
	_ *atomic.Uint64          = (*atomicx.Uint64)(nil)
	_ *atomic.Uint32          = (*atomicx.Uint32)(nil)
	_ *atomic.Int64           = (*atomicx.Int64)(nil)
	_ *atomic.Bool            = (*atomicx.Bool)(nil)
	_ *atomic.Pointer[string] = (*atomicx.Pointer[string])(nil)
	_ *sync.Mutex             = (*atomicx.Mutex)(nil)
)

// Announcements are free: they neither allocate nor touch the memory.
func TestAnnouncements(t *testing.T) {
	events := make([]string, 3)
	if n := testing.AllocsPerRun(100, func() {
		atomicx.Reading(&events[0])
		atomicx.Writing[string](nil)
		atomicx.ReadingRange(events)
		atomicx.WritingRange(events)
	}); n != 0 {
		t.Errorf("announcements allocate %v times", n)
	}
	equal(t, "slots per word", atomicx.SlotsPerWord, 64)
}
