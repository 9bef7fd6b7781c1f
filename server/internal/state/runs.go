package state

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/ephemera-go/ephemera/sinks"
)

// Runs are those of a data directory: each start begins one. A crash loses the newest signals, and the next run gives their
// sequences again, so a sequence says which signal it is only together with its run. Safe for concurrent use.
type Runs struct {
	known []signalRun // oldest first; the last one is this one
}

type signalRun struct {
	name     string
	restored uint64 // the newest sequence of earlier runs
}

const (
	runsPrefix = "runs/"
	keptRuns   = 1000
)

// Current names this run.
func (r *Runs) Current() string { return r.known[len(r.known)-1].name }

// Common returns up to which sequence the signals of a run are those that are there now, if it did not end before that. Of a run
// that nobody knows any more that is 0.
func (r *Runs) Common(name string) uint64 {
	for i := range r.known {
		if r.known[i].name != name {
			continue
		}
		common := ^uint64(0)
		for _, later := range r.known[i+1:] {
			common = min(common, later.restored)
		}
		return common
	}
	return 0
}

// beginRun adds a run to those that a store has in the names of its blobs. It is there before anybody hears of it.
func beginRun(ctx context.Context, blobs sinks.BlobStore, restored uint64) (*Runs, error) {
	list, err := blobs.List(ctx, runsPrefix, "", 0)
	if err != nil {
		return nil, err
	}
	r, number := &Runs{}, 0
	for _, b := range list {
		var run signalRun
		text := strings.ReplaceAll(strings.TrimPrefix(b.Name, runsPrefix), "-", " ")
		if _, err := fmt.Sscanf(text, "%d %s %d", &number, &run.name, &run.restored); err != nil {
			return nil, fmt.Errorf("%w: a run named %q", sinks.ErrCorrupt, b.Name)
		}
		r.known = append(r.known, run)
	}
	id := make([]byte, 8)
	_, _ = rand.Read(id) // it never fails
	run := signalRun{hex.EncodeToString(id), restored}
	name := fmt.Sprintf("%s%020d-%s-%d", runsPrefix, number+1, run.name, run.restored)
	if err := blobs.Put(ctx, name, 0, strings.NewReader("")); err != nil {
		return nil, err
	}
	r.known = append(r.known, run)
	for len(r.known) > keptRuns {
		if err := blobs.Delete(ctx, list[0].Name); err != nil {
			return nil, err
		}
		r.known, list = r.known[1:], list[1:]
	}
	return r, nil
}
