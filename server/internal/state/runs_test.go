package state

import (
	"errors"
	"strings"
	"testing"

	"github.com/ephemera-go/ephemera/sinks"
)

// Of the runs so many are kept, and those have a common part that no later run has restored less than.
func TestRuns(t *testing.T) {
	blobs, err := sinks.OpenBlobs(t.Context(), "mem://")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for i := range keptRuns + 2 {
		restored := uint64(10 * i)
		if i == keptRuns {
			restored = 77
		}
		r, err := beginRun(t.Context(), blobs, restored)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, r.Current())
	}
	r, err := beginRun(t.Context(), blobs, 2_000_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		name string
		want uint64
	}{
		{"", 0},
		{names[2], 0}, // given up
		{names[3], 40},
		{names[7], 77},
		{names[keptRuns-1], 77},
		{names[keptRuns], 10 * (keptRuns + 1)},
		{names[keptRuns+1], 2_000_000},
		{r.Current(), ^uint64(0)},
	} {
		if got := r.Common(x.name); got != x.want {
			t.Errorf("%q: %d, want %d", x.name, got, x.want)
		}
	}
	list, err := blobs.List(t.Context(), "", "", 0)
	if err != nil || len(list) != keptRuns {
		t.Errorf("%d blobs, %v", len(list), err)
	}
	if err := blobs.Put(t.Context(), runsPrefix+"9x", 0, strings.NewReader("")); err != nil {
		t.Fatal(err)
	}
	if _, err := beginRun(t.Context(), blobs, 0); !errors.Is(err, sinks.ErrCorrupt) {
		t.Error(err)
	}
}
