package web

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ephemera-go/ephemera/window"
)

// tail follows signals as server-sent events: what is there, then what comes. It goes on behind Last-Event-ID, which is a run
// of the server and a sequence. What left the window meanwhile, what a slow reader missed and what a crash has lost is told by
// events gap.
func (h *signalRoutes) tail(
	w http.ResponseWriter, r *http.Request, there window.Query, limit int, pattern, key string, byKey bool,
) error {
	run, last, resumes, err := lastEventID(r)
	if err != nil {
		return err
	}
	live := make(chan window.Signal)
	gaps := make(chan window.Gap)
	stop := r.Context().Done()
	watcher, err := h.window.Watch(pattern, func(s window.Signal) {
		select {
		case live <- s:
		case <-stop:
		}
	}, window.WatchOptions{Buffer: watcherBuffers, OnGap: func(g window.Gap) {
		select {
		case gaps <- g:
		case <-stop:
		}
	}})
	if err != nil {
		return err
	}
	defer watcher.Cancel()
	var missed []gap
	if resumes {
		last, missed = h.lost(run, last)
		there = there.After(last)
	} else {
		there = there.Newest(limit)
	}
	signals, err := there.Signals() // after Watch, so that nothing falls between the two
	if err != nil {
		return err
	}
	if resumes {
		missed = append(missed, h.unseen(last, signals)...)
	}
	f := newFrames(w, h.runs.Current())
	for i := range missed {
		if f.note("gap", missed[i]) != nil {
			return nil
		}
	}
	for i := range signals {
		if f.signal(&signals[i]) != nil {
			return nil
		}
		last = signals[i].Sequence
	}
	if f.note("caughtup", map[string]any{"sequence": last}) != nil {
		return nil
	}
	h.follow(f, r, live, gaps, last, func(s *window.Signal) bool { return !byKey || s.Key == key })
	return nil
}

// A gap is what a reader did not get.
type gap struct {
	From    uint64 `json:"from"`
	To      uint64 `json:"to"`
	Signals uint64 `json:"signals,omitempty"` // matching ones that it was too slow for
	Unseen  uint64 `json:"unseen,omitempty"`  // matching or not, that left the window
	Lost    bool   `json:"lost,omitempty"`    // a crash lost them, and their sequences are given again
}

// lastEventID reads run:sequence, or a sequence alone, which is taken for one of this run.
func lastEventID(r *http.Request) (run string, last uint64, ok bool, err error) {
	text := r.Header.Get("Last-Event-ID")
	if text == "" {
		return "", 0, false, nil
	}
	run, sequence, both := strings.Cut(text, ":")
	if !both {
		run, sequence = "", text
	}
	if last, err = strconv.ParseUint(sequence, 10, 64); err != nil {
		return "", 0, false, bad("Last-Event-ID %q; an id of this route is wanted", text)
	}
	return run, last, true, nil
}

// lost returns where a reader goes on that has everything up to a sequence of a run, and what a crash took from it.
func (h *signalRoutes) lost(run string, last uint64) (from uint64, gaps []gap) {
	common := h.window.Stats().LastSequence // up to here the reader's signals are those that are there
	if run != "" {
		common = min(common, h.runs.Common(run))
	}
	if last > common {
		last, gaps = common, append(gaps, gap{From: common + 1, To: last, Lost: true})
	}
	return last, gaps
}

// unseen returns what has left the window and is not among the signals that were found behind last. It is asked after them:
// what leaves between the two is in one or the other.
func (h *signalRoutes) unseen(last uint64, found []window.Signal) []gap {
	gone := h.window.Stats().LastSequence
	if first, ok, err := h.window.Find("").First(); err == nil && ok {
		gone = first.Sequence - 1
	}
	if len(found) > 0 {
		gone = min(gone, found[0].Sequence-1)
	}
	if gone <= last {
		return nil
	}
	return []gap{{From: last + 1, To: gone, Unseen: gone - last}}
}

func (h *signalRoutes) follow(
	f *frames, r *http.Request, live <-chan window.Signal, gaps <-chan window.Gap, last uint64, want func(*window.Signal) bool,
) {
	beat := time.NewTicker(h.o.Heartbeat)
	defer beat.Stop()
	for {
		var err error
		select {
		case s := <-live:
			if s.Sequence > last && want(&s) {
				err = f.signal(&s)
			}
		case g := <-gaps:
			err = f.note("gap", gap{From: g.From, To: g.To, Signals: g.Dropped, Unseen: g.Unseen})
		case <-beat.C:
			err = f.write(": alive\n\n")
		case <-r.Context().Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// frames writes server-sent events.
type frames struct {
	w   http.ResponseWriter
	c   *http.ResponseController
	run string
}

func newFrames(w http.ResponseWriter, run string) *frames {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx passes frames on at once
	w.WriteHeader(http.StatusOK)
	return &frames{w, http.NewResponseController(w), run}
}

func (f *frames) write(text string) error {
	if _, err := f.w.Write([]byte(text)); err != nil {
		return err
	}
	if err := f.c.Flush(); err != nil {
		return err
	}
	_ = f.c.SetWriteDeadline(time.Time{}) // until the next one there is nothing to take
	return nil
}

func (f *frames) signal(s *window.Signal) error {
	return f.frame(fmt.Sprintf("id: %s:%d\n", f.run, s.Sequence), toWire(s))
}

func (f *frames) note(kind string, data any) error { return f.frame("event: "+kind+"\n", data) }

func (f *frames) frame(head string, data any) error {
	b := &bytes.Buffer{}
	if err := encode(b, data); err != nil { // ends with a line break
		return err
	}
	return f.write(head + "data: " + b.String() + "\n")
}
