package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/slogtest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ephemera-go/ephemera/core"
	_ "github.com/ephemera-go/ephemera/sinks/memstore" // scheme mem
)

// memory returns options with a place of its own, which nothing is in yet.
func memory() recorderOptions {
	return recorderOptions{place: "mem://" + rand.Text(), keep: time.Minute, most: 10_000, errors: 5, span: time.Second}
}

func opened(t testing.TB, o recorderOptions) *recorder {
	t.Helper()
	r, err := openRecorder(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// kept returns what is in memory, as a recording would write it.
func (r *recorder) kept(t *testing.T) (list []map[string]any) {
	t.Helper()
	cut := r.store.Cut()
	defer cut.Close()
	var all []entry
	for _, e := range cut.All() {
		all = append(all, *e)
	}
	text, err := codec{}.Append(nil, all)
	if err != nil {
		t.Fatal(err)
	}
	return lines(t, string(text))
}

func lines(t *testing.T, text string) (list []map[string]any) {
	t.Helper()
	for line := range strings.Lines(text) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		list = append(list, m)
	}
	return list
}

// The handler obeys the rules of slog.
func TestRulesOfSlog(t *testing.T) {
	r := opened(t, memory())
	if err := slogtest.TestHandler(newHandler(r, slog.DiscardHandler), func() []map[string]any { return r.kept(t) }); err != nil {
		t.Error(err)
	}
	if err := r.close(); err != nil {
		t.Error(err)
	}
}

// changing is a value that is another one each time that it is asked.
type changing struct{ n *atomic.Int64 }

func (c changing) LogValue() slog.Value { return slog.Int64Value(c.n.Add(1)) }

// What a record points at is recorded as it was, and as slog's own handler would write it.
func TestRecordsAreFrozen(t *testing.T) {
	r := opened(t, memory())
	defer func() { _ = r.close() }()
	var own bytes.Buffer
	own2 := slog.New(slog.NewJSONHandler(&own, nil))
	tags, n := []string{"a"}, new(atomic.Int64)
	say := func(l *slog.Logger) {
		n.Store(0)
		l.With("tags", tags, "v", changing{n}).WithGroup("g").Info("m", "tags", tags, slog.Group("in", "err", errors.New("bad"), "tags", tags),
			"v", changing{n}, "none", nil, "func", func() {}, "took", time.Second)
	}
	say(own2)
	say(slog.New(newHandler(r, slog.DiscardHandler)))
	tags[0] = "changed"
	want, got := lines(t, own.String()), r.kept(t)
	for _, m := range []map[string]any{want[0], got[0]} {
		delete(m, "time")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// recording returns the text of a recording.
func recording(t *testing.T, o recorderOptions, ordinal uint64) string {
	t.Helper()
	var text bytes.Buffer
	if err := read(t.Context(), o.place, ordinal, time.Hour, &text); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// One burst is one recording, and the next burst is the next one; below the burst there is none. Each holds what was logged up
// to the error that completes it: while the recording is taken, the time of the bubble stands still.
func TestBursts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := memory()
		r := opened(t, o)
		log := slog.New(newHandler(r, slog.DiscardHandler))
		fail := func(times int, pause time.Duration) {
			for range times {
				log.Debug("before")
				log.Error("bad")
				time.Sleep(pause)
			}
			time.Sleep(2 * o.span)
		}
		recordings := func(want uint64) {
			t.Helper()
			if n := r.saver.Stats().Snapshots; n != want {
				t.Fatalf("%d recordings, want %d", n, want)
			}
		}
		fail(30, 300*time.Millisecond) // never more than 4 within a second
		fail(4, 0)
		recordings(0)
		fail(40, 10*time.Millisecond)
		recordings(1)
		fail(5, 0)
		recordings(2)
		if err := r.close(); err != nil {
			t.Fatal(err)
		}
		recordings(2)
		for ordinal, want := range map[uint64]int{1: 2 * (30 + 4 + 5), 2: 2 * (30 + 4 + 40 + 5)} {
			if n := len(lines(t, recording(t, o, ordinal))); n != want {
				t.Errorf("recording %d holds %d records, want %d", ordinal, n, want)
			}
		}
	})
}

// What a goroutine logged before an error that completes a burst is in the recording, whatever others do meanwhile.
func TestRecordingHoldsWhatLedToIt(t *testing.T) {
	o := memory()
	o.most, o.span = 1_000_000, time.Minute
	r := opened(t, o)
	log := slog.New(newHandler(r, slog.DiscardHandler))
	var writers sync.WaitGroup
	const each = 2000
	for w := range 4 {
		writers.Go(func() {
			for n := range each {
				log.Debug("step", "writer", w, "n", n)
			}
			for range 2 {
				log.Error("bad", "writer", w)
			}
		})
	}
	writers.Wait()
	if err := r.close(); err != nil {
		t.Fatal(err)
	}
	var next [4]int
	finished := 0
	for _, m := range lines(t, recording(t, o, 0)) {
		w := int(m["writer"].(float64))
		if m["msg"] == "bad" {
			if next[w] != each {
				t.Fatalf("writer %d failed behind step %d", w, next[w])
			}
			finished++
			continue
		}
		if int(m["n"].(float64)) != next[w] {
			t.Fatalf("writer %d: step %v, want %d", w, m["n"], next[w])
		}
		next[w]++
	}
	if finished < o.errors {
		t.Errorf("%d errors are recorded, the burst had %d", finished, o.errors)
	}
}

// Memory is bounded by age and number.
func TestOldRecordsAreForgotten(t *testing.T) {
	o := memory()
	o.most = 50
	r := opened(t, o)
	log := slog.New(newHandler(r, slog.DiscardHandler))
	for n := range 120 {
		log.Debug("m", "n", n)
	}
	list := r.kept(t)
	if len(list) != 50 || list[0]["n"] != 70.0 {
		t.Errorf("%d records, the first is %v", len(list), list[0])
	}
	if err := r.close(); err != nil {
		t.Fatal(err)
	}
	if err := log.Handler().Handle(t.Context(), slog.Record{}); !errors.Is(err, core.ErrClosed) {
		t.Errorf("behind close: %v", err)
	}
}

// A plain record costs no memory that has to be collected.
func TestPlainRecordsDoNotAllocate(t *testing.T) {
	o := memory()
	o.most = 1000
	r := opened(t, o)
	defer func() { _ = r.close() }()
	log := slog.New(newHandler(r, slog.DiscardHandler)).With("request", 17)
	say := func() {
		log.LogAttrs(context.Background(), slog.LevelDebug, "cache", slog.Bool("hit", true), slog.String("key", "user-3"), slog.Int("n", 1))
	}
	for range 5000 {
		say()
	}
	if n := testing.AllocsPerRun(10_000, say); n > 0 {
		t.Errorf("%v allocations for a record", n)
	}
}

func BenchmarkDebug(b *testing.B) {
	r := opened(b, memory())
	defer func() { _ = r.close() }()
	for _, h := range []struct {
		name string
		slog.Handler
	}{
		{"handler=recorder", newHandler(r, slog.DiscardHandler)},
		{"handler=json", slog.NewJSONHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelDebug})},
		{"handler=off", slog.NewJSONHandler(io.Discard, nil)},
	} {
		log := slog.New(h.Handler).With("request", 17)
		b.Run(h.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				log.LogAttrs(context.Background(), slog.LevelDebug, "cache", slog.Bool("hit", true), slog.String("key", "user-3"), slog.Int("n", 1))
			}
		})
	}
}

func Example() {
	r, err := openRecorder(context.Background(), recorderOptions{place: "mem://example", keep: time.Minute, most: 1000, errors: 2, span: time.Minute})
	if err != nil {
		panic(err)
	}
	log := slog.New(newHandler(r, slog.DiscardHandler))
	log.Debug("the disk is slow", "ms", 900)
	log.Error("write failed")
	log.Error("write failed")
	if err := r.close(); err != nil {
		panic(err)
	}
	fmt.Println(r.saver.Stats().Snapshots, "recording with", r.saver.Stats().Events, "records")
	// Output: 1 recording with 3 records
}
