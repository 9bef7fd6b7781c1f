package verify

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/snapshot"
)

// eventColumns is how these tests save events.
func eventColumns() snapshot.Codec[event] {
	return snapshot.Columns(
		snapshot.IntColumn(func(e *event) *uint32 { return &e.Writer }),
		snapshot.IntColumn(func(e *event) *uint64 { return &e.N }),
		snapshot.IntColumn(func(e *event) *uint64 { return &e.Check }),
		snapshot.TextColumn(func(e *event) *string { return &e.Name }),
	)
}

// numberedTime makes the number of an event its time.
func numberedTime(e *event) time.Time { return time.Unix(int64(e.N), 0) }

// A picture is what a snapshot promises to bring back of a store.
type picture struct {
	PurgedBefore time.Time
	Names        []string
	Partitions   []partitionPicture
}

type partitionPicture struct {
	Number      int
	Limits      core.PartitionOptions // but for StartAt, which is another one in a restored store
	First, Next uint64
	Events      []event // from First on; what MaxAge or Purge hides leaves the store at some time, here or there
}

// pictureOf is for stores that nobody writes to.
func pictureOf(s *core.Store[event]) picture {
	cut := s.Cut()
	defer cut.Close()
	p := picture{PurgedBefore: s.PurgedBefore().UTC(), Names: s.Keys().Names()}
	for _, number := range cut.PartitionNumbers() {
		x := partitionPicture{Number: number}
		_, x.Next, _ = cut.Bounds(number)
		x.First = x.Next
		x.Limits, _ = s.Limits(number)
		x.Limits.StartAt = 0
		for pos, e := range cut.Partition(number).All() {
			if len(x.Events) == 0 {
				x.First = pos.Sequence
			}
			x.Events = append(x.Events, *e)
		}
		p.Partitions = append(p.Partitions, x)
	}
	return p
}

// print is the same for the same picture, and short.
func (p picture) print() string {
	text, err := json.Marshal(p)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(text))
}

// String tells pictures apart in messages.
func (p picture) String() string {
	list := make([]string, len(p.Partitions))
	for i, x := range p.Partitions {
		list[i] = fmt.Sprintf("%d:[%d,%d)", x.Number, x.First, x.Next)
	}
	return fmt.Sprint(list, " ", len(p.Names), " names, ", p.print()[:8])
}

// A place is somewhere snapshots may lie.
type place struct {
	name string
	url  func(t testing.TB) string // of a new place
}

// places are all there are. Those of servers skip the test, or fail it on the build machine, where there is no server.
func places() []place {
	return slices.Concat([]place{
		{"mem", func(t testing.TB) string { return "mem://verify-" + rand.Text() }},
		{"file", func(t testing.TB) string { return "file://" + filepath.ToSlash(t.TempDir()) }},
		{"sqlite", func(t testing.TB) string {
			return "sqlite://" + filepath.ToSlash(filepath.Join(t.TempDir(), "blobs.db")) + "?synchronous=normal"
		}},
	}, serverPlaces())
}

// openPlace opens blobs that are closed when the test ends, if they are not before.
func openPlace(t testing.TB, url string) sinks.BlobStore {
	t.Helper()
	b, err := sinks.OpenBlobs(context.Background(), url)
	must(t, err)
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// openSaver opens a Saver that is closed when the test ends, if it is not before.
func openSaver(t testing.TB, b sinks.BlobStore, store core.Options[event], o snapshot.Options[event]) *snapshot.Saver[event] {
	t.Helper()
	s, err := snapshot.Open(context.Background(), b, store, o)
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// tryingOnce writes by hand and does not repeat what fails.
func tryingOnce() snapshot.Options[event] {
	return snapshot.Options[event]{
		Codec: eventColumns(), Manual: true, MaxAttempts: 1, Backoff: snapshot.Backoff{Base: time.Nanosecond, Max: time.Nanosecond},
	}
}
