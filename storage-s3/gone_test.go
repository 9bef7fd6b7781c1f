package s3store

import (
	"testing"

	"github.com/ephemera-go/ephemera/sinks/process"
)

// TestGone: a handle of this process is gone when it is closed, one of another as long as that process is.
func TestGone(t *testing.T) {
	me := process.This()
	handles.Store("open", true)
	defer handles.Delete("open")
	for name, x := range map[string]struct {
		s    state
		gone bool
	}{
		"this store": {state{Host: me.Host, Process: me.ID, Handle: "open"}, false},
		"a store of this process that was closed": {state{Host: me.Host, Process: me.ID, Handle: "closed"}, true},
		"somebody elsewhere":                      {state{Host: "another machine", Process: me.ID, Handle: "closed"}, false},
		"somebody unknown":                        {state{Handle: "closed"}, false},
	} {
		if got := gone(&x.s); got != x.gone {
			t.Errorf("%s: gone is %v", name, got)
		}
	}
}
