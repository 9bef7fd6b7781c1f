package verify

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/streams"
)

// A streamFinding is a stream as a child found or saved it.
type streamFinding struct {
	version uint64
	exists  bool
}

func parseFindings(t testing.TB, words []string) (list []streamFinding) {
	t.Helper()
	for i := 0; i+1 < len(words); i += 2 {
		v, err := strconv.ParseUint(words[i], 10, 64)
		must(t, err)
		list = append(list, streamFinding{v, words[i+1] == "true"})
	}
	return list
}

// A servant is a child that serves streams.
type servant struct {
	*child
	url   string
	epoch core.Epoch
	found []streamFinding

	mu    sync.Mutex
	saved []streamFinding // as of the last snapshot that was acknowledged
	last  string          // line
	read  chan struct{}   // closed when there are no more lines
}

func startServant(t *testing.T, args ...string) *servant {
	t.Helper()
	s := &servant{child: start(t, nil, slices.Concat([]string{"streams"}, args)...), read: make(chan struct{})}
	if !s.lines.Scan() || !strings.HasPrefix(s.lines.Text(), "OPENED ") {
		t.Fatalf("child says %q", s.lines.Text())
	}
	words := strings.Fields(s.lines.Text())
	must(t, s.epoch.UnmarshalText([]byte(words[1])))
	s.url, s.found = "http://"+words[2], parseFindings(t, words[3:])
	go func() {
		defer close(s.read)
		for s.lines.Scan() {
			s.mu.Lock()
			s.last = s.lines.Text()
			if saved, ok := strings.CutPrefix(s.last, "SAVED "); ok {
				s.saved = parseFindings(t, strings.Fields(saved))
			}
			s.mu.Unlock()
		}
	}()
	return s
}

// terminate asks the child to end, and waits until it has.
func (s *servant) terminate(t *testing.T) {
	t.Helper()
	must(t, s.cmd.Process.Signal(syscall.SIGTERM))
	<-s.read
	must(t, s.cmd.Wait())
	if !strings.HasPrefix(s.last, "CLOSED") {
		t.Fatalf("the child ends with %q", s.last)
	}
}

// A killedHistory goes over several processes, one after the other.
type killedHistory struct {
	seed    uint64
	deletes bool // without, more keys are there to be restored
	began   time.Time
	ops     []porcupine.Operation
	used    usedOps
	first   core.Epoch
	lost    uint64 // versions that had been acknowledged
	killed  int    // processes
}

var killedStreams = []string{"a", "b", "c"}

// run lets clients loose on a process after the other. Each is killed in the middle, but now and then one ends well, and
// the last one is left in peace.
func (h *killedHistory) run(t *testing.T) {
	rng := rand.New(rand.NewPCG(h.seed, 0))
	blobs := "file://" + t.TempDir()
	h.began = time.Now()
	var before *servant
	var killed int64 // when the one before was
	processes := 3
	for n := range processes {
		s := startServant(t, blobs, strings.Join(killedStreams, " "), fmt.Sprint(streams.DefaultEvents), "0s")
		if before == nil {
			h.first = s.epoch
		} else {
			h.compare(t, before, s, killed)
		}
		killed = h.live(t, s, uint64(n), rng, n == processes-1)
		before = s
	}
}

// live has clients use a process, and ends it. It returns when it began to be killed, -1 if it ended well.
func (h *killedHistory) live(t *testing.T, s *servant, n uint64, rng *rand.Rand, last bool) int64 {
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	defer transport.CloseIdleConnections()
	calls := newQuota(20 + rng.Int64N(70))
	c, err := streams.NewClient(s.url, streams.ClientOptions{
		HTTP: &http.Client{Transport: counted{transport, calls}}, RetryTimeout: time.Second,
	})
	must(t, err)
	defer func() { _ = c.Close() }()
	clients := newStreamClients(mix(h.seed+n), 5, streamMix{Streams: killedStreams, Deletes: h.deletes}, func(int) streams.Log { return c }, s.epoch)
	for _, c := range clients {
		c.began, c.used, c.made, c.again = h.began, &h.used, n<<12, int(min(n, 1)*4)
		for i, name := range killedStreams {
			c.known[name] = s.found[i].version
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	over := make(chan struct{})
	var ops []porcupine.Operation
	go func() {
		defer close(over)
		ops, err = streamCrowd(ctx, clients, 20)
	}()
	killed := int64(-1)
	if !last && rng.IntN(5) > 0 {
		select {
		case <-calls.met:
		case <-over: // what was wrong is told below
		}
		killed = int64(time.Since(h.began))
		s.kill(t)
		h.killed++
		cancel()
		<-s.read
		<-over
	} else {
		<-over
		s.terminate(t)
	}
	must(t, err)
	h.ops = append(h.ops, ops...)
	return killed
}

// compare notes what a process found of the one before.
func (h *killedHistory) compare(t *testing.T, before, s *servant, killed int64) {
	t.Helper()
	for i, name := range killedStreams {
		if before.saved != nil && s.found[i].version < before.saved[i].version {
			t.Fatalf("stream %s is at version %d, but a snapshot with %d was acknowledged", name, s.found[i].version, before.saved[i].version)
		}
		if killed < 0 {
			continue
		}
		h.lost += max(h.acknowledged(before.epoch, name), s.found[i].version) - s.found[i].version
		h.ops = append(h.ops, porcupine.Operation{
			ClientId: 99, Input: streamOp{Kind: streamCrash, Stream: name}, Call: killed, Return: int64(time.Since(h.began)),
			Output: streamOut{Epoch: s.epoch, Version: s.found[i].version, Exists: s.found[i].exists},
		})
	}
	if (killed < 0) != (before.epoch == s.epoch) {
		t.Fatalf("epoch %v behind %v, killed: %t", s.epoch, before.epoch, killed >= 0)
	}
}

// check is nil if a model that loses suffixes in crashes explains the history.
func (h *killedHistory) check() error {
	r := streamRules{Events: streams.DefaultEvents, Keys: streams.DefaultMaxKeys, Remote: true}
	return checkStreams(r, h.first, h.ops)
}

// counted counts requests.
type counted struct {
	http.RoundTripper
	calls *quota
}

func (c counted) RoundTrip(r *http.Request) (*http.Response, error) {
	c.calls.one()
	return c.RoundTripper.RoundTrip(r)
}

// acknowledged returns the highest version of a stream that a client was told of in an epoch.
func (h *killedHistory) acknowledged(e core.Epoch, stream string) (most uint64) {
	for _, o := range h.ops {
		in, out := o.Input.(streamOp), o.Output.(streamOut)
		if in.Kind == streamAppend && in.Stream == stream && out.Epoch == e {
			most = max(most, out.Last)
		}
	}
	return most
}

// TestStreamsKilled: processes that serve streams and save all the time are killed and started again. Every stream
// loses at most a suffix of what was done to it, in one piece with its keys, and only where the epoch changes; nothing
// that a snapshot was acknowledged for.
func TestStreamsKilled(t *testing.T) {
	seed, tally, lost := seedOf(t), streamTally{}, uint64(0)
	histories := killsOr(t, pick(10, 4, 2))
	for i := range histories {
		h := killedHistory{seed: mix(seed + uint64(i)), deletes: i%2 == 1, used: usedOps{reach: 40}}
		h.run(t)
		if err := h.check(); err != nil {
			t.Fatalf("history %d: %v", i, err)
		}
		tally.add(h.ops)
		lost += h.lost
	}
	t.Logf("%+v; %d acknowledged versions lost by crashes", tally, lost)
	many := tally.Deleted > 0 && tally.Duplicates > 0 && tally.Unknown > 0 && lost > 0
	if tally.Stored == 0 || tally.Conflicts == 0 || histories >= 10 && !many {
		t.Errorf("the test proves nothing: %+v, %d lost", tally, lost)
	}
}

// TestCrashModel: the model lets a crash lose a suffix, and nothing else.
func TestCrashModel(t *testing.T) {
	one, two := core.Epoch{1}, core.Epoch{2}
	now := int64(0)
	op := func(in streamOp, out streamOut) porcupine.Operation {
		in.Stream, now = "a", now+2
		return porcupine.Operation{Input: in, Output: out, Call: now - 1, Return: now}
	}
	add := func(e core.Epoch, event, version uint64) porcupine.Operation {
		return op(streamOp{Kind: streamAppend, Events: []uint64{event}, IDs: []string{fmt.Sprint(event)}}, streamOut{Epoch: e, First: version, Last: version})
	}
	again := func(e core.Epoch, event, version uint64) porcupine.Operation {
		o := add(e, event, version)
		out := o.Output.(streamOut)
		out.Duplicate = true
		o.Output = out
		return o
	}
	crash := func(version uint64) porcupine.Operation {
		return op(streamOp{Kind: streamCrash}, streamOut{Epoch: two, Version: version, Exists: version > 0})
	}
	read := func(e core.Epoch, seen ...string) porcupine.Operation {
		n := uint64(len(seen))
		return op(streamOp{Kind: streamRead, Limit: 9}, streamOut{Epoch: e, Version: n, Oldest: 1, Seen: seen})
	}
	for _, c := range []struct {
		name string
		ok   bool
		ops  []porcupine.Operation
	}{
		{"nothing lost", true, []porcupine.Operation{add(one, 7, 1), add(one, 8, 2), crash(2), again(two, 8, 2), add(two, 9, 3)}},
		{"a suffix lost, with its key", true, []porcupine.Operation{add(one, 7, 1), add(one, 8, 2), crash(1), add(two, 8, 2), again(two, 7, 1)}},
		{"an event lost and its key kept", false, []porcupine.Operation{add(one, 7, 1), add(one, 8, 2), crash(1), again(two, 8, 2)}},
		{"a key lost and its event kept", false, []porcupine.Operation{add(one, 7, 1), add(one, 8, 2), crash(2), add(two, 8, 3)}},
		{"the oldest lost", false, []porcupine.Operation{add(one, 7, 1), add(one, 8, 2), crash(1), read(two, "1=8")}},
		{"more than there was", false, []porcupine.Operation{add(one, 7, 1), crash(2)}},
		{"lost without a crash", false, []porcupine.Operation{add(one, 7, 1), add(one, 8, 2), read(one, "1=7")}},
		{"the old epoch behind a crash", false, []porcupine.Operation{add(one, 7, 1), crash(1), read(one, "1=7")}},
		{"a batch lost in part", false, []porcupine.Operation{
			op(streamOp{Kind: streamAppend, Events: []uint64{7, 8}, IDs: []string{"", ""}}, streamOut{Epoch: one, First: 1, Last: 2}), crash(1),
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := checkStreams(streamRules{Events: 100, Keys: 100}, one, c.ops)
			if (err == nil) != c.ok {
				t.Errorf("%v", err)
			}
		})
	}
}
