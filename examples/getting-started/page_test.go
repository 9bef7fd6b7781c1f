package gettingstarted

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPage runs what docs/getting-started.md shows, and wants what it says.
func TestPage(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), "file://"+filepath.ToSlash(t.TempDir()), &out); err != nil {
		t.Fatal(err)
	}
	want := `stored at 0@0
3 orders, 49.5 in all, the largest of ada 30
3600 in an hour, 16 of them still here, exact: true
1 error, 2 signals, the first of order-17
restored 0 orders
restored 1 orders
version 1 duplicate true
1 event: {"amount":12.5}
version 1 stored before: false
version 1 stored before: true
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("the page says (-), the program (+):\n%s", diff)
	}
}
