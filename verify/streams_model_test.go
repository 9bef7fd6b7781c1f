package verify

import (
	"fmt"
	"slices"

	"github.com/anishathalye/porcupine"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/streams"
)

// streamRules are what the options of a log make of its model.
type streamRules struct {
	Events  uint64 // kept per stream
	Refuse  bool   // appends beyond them are refused
	Keys    int    // remembered per stream
	Remote  bool   // the client gives appends without a key one of its own
	Retried bool   // calls are repeated on their way, so that an append may meet its own key
}

// A streamState is one stream at one moment. States never change.
type streamState struct {
	epoch  core.Epoch
	newest *node  // its length is the version; events are there also when the limits have discarded them
	base   uint64 // the version at the last deletion: nothing up to it is there
	exists bool
	keys   []knownKey // oldest first
	before *streamState
	past   uint64 // hash of all states up to this one
}

// A knownKey is what a stream remembers of an append.
type knownKey struct {
	key         string
	payload     uint64
	first, last uint64
}

func (s *streamState) version() uint64 { return s.newest.length }

// then is the state after s.
func (s *streamState) then(next streamState) *streamState {
	next.before = s
	next.past = mix(s.past*31 + next.newest.hash + next.base)
	if next.exists {
		next.past = mix(next.past)
	}
	for _, k := range next.keys {
		next.past = mix(next.past ^ k.payload ^ k.first<<32 ^ k.last)
	}
	return &next
}

// oldest returns the version of the oldest event that is there, or the next version.
func (s *streamState) oldest(r *streamRules) uint64 {
	if !s.exists {
		return s.version() + 1
	}
	oldest := s.base + 1
	if v := s.version(); !r.Refuse && v > r.Events {
		oldest = max(oldest, v-r.Events+1)
	}
	return oldest
}

// streamModel is a set of independent streams.
func streamModel(r streamRules, epoch core.Epoch) porcupine.Model {
	return porcupine.Model{
		Partition: func(ops []porcupine.Operation) (parts [][]porcupine.Operation) {
			by := map[string][]porcupine.Operation{}
			for _, o := range ops {
				stream := o.Input.(streamOp).Stream
				by[stream] = append(by[stream], o)
			}
			for _, part := range by {
				parts = append(parts, part)
			}
			return parts
		},
		Init: func() any { return &streamState{epoch: epoch, newest: &node{}} },
		Equal: func(a, b any) bool {
			x, y := a.(*streamState), b.(*streamState)
			return x == y || x.epoch == y.epoch && x.past == y.past
		},
		Step: func(state, in, out any) (bool, any) {
			return r.step(state.(*streamState), in.(streamOp), out.(streamOut))
		},
	}
}

func (r *streamRules) step(s *streamState, in streamOp, out streamOut) (bool, *streamState) {
	if in.Kind == streamCrash {
		return s.crash(out)
	}
	if out.Epoch != s.epoch {
		return false, s
	}
	switch in.Kind {
	case streamAppend:
		want, next := r.append(s, in)
		if out.Verdict == unknownOutcome {
			return true, next // it may also be the last of all, or what a crash loses
		}
		if r.Retried && in.keyed() && want.Verdict == done {
			want.Duplicate = out.Duplicate
		}
		return want.same(out), next
	case streamRead:
		return r.read(s, in).same(out), s
	case streamInfo:
		want := r.info(s)
		if r.Remote {
			want.KeysKnown = out.KeysKnown
		}
		return want.same(out), s
	}
	if !s.exists { // a deletion
		return true, s
	}
	return true, s.then(streamState{epoch: s.epoch, newest: s.newest, base: s.version()})
}

// crash goes back to an earlier state, which what was found tells: of two states one has a higher version, or the stream
// was deleted between them.
func (s *streamState) crash(out streamOut) (bool, *streamState) {
	for x := s; x != nil; x = x.before {
		if x.version() == out.Version && x.exists == out.Exists {
			back := *x
			back.epoch = out.Epoch
			return true, &back
		}
	}
	return false, s
}

func (r *streamRules) append(s *streamState, in streamOp) (streamOut, *streamState) {
	out := streamOut{Epoch: s.epoch}
	if known := s.recall(in, &out); known {
		return out, s
	}
	out.Version = s.version()
	n := uint64(len(in.Events))
	switch {
	case in.Expect == expectNoStream && s.exists, in.Expect == expectExists && !s.exists,
		in.Expect == expectAt && in.Version != s.version():
		out.Verdict = conflict
		return out, s
	case r.Refuse && s.version()+1-s.oldest(r)+n > r.Events:
		out.Verdict, out.Version = full, 0
		return out, s
	}
	out.Version, out.First, out.Last = 0, s.version()+1, s.version()+n
	next := streamState{epoch: s.epoch, newest: s.newest.add(in.Events), base: s.base, exists: true, keys: slices.Clone(s.keys)}
	if in.Key != "" {
		next.keys = append(next.keys, knownKey{"request " + in.Key, in.payload(), out.First, out.Last})
	} else {
		for i, id := range in.IDs {
			if at := out.First + uint64(i); id != "" {
				next.keys = append(next.keys, knownKey{"event " + id, in.Events[i], at, at})
			}
		}
	}
	next.keys = next.keys[max(0, len(next.keys)-r.Keys):]
	return out, s.then(next)
}

// recall decides about an append whose key, or some of whose ids, are known.
func (s *streamState) recall(in streamOp, out *streamOut) bool {
	find := func(key string) *knownKey {
		for i := range s.keys {
			if s.keys[i].key == key {
				return &s.keys[i]
			}
		}
		return nil
	}
	if in.Key != "" {
		k := find("request " + in.Key)
		switch {
		case k == nil:
			return false
		case k.payload != in.payload():
			out.Verdict, out.Keys = reused, []string{in.Key}
		default:
			out.Duplicate, out.First, out.Last = true, k.first, k.last
		}
		return true
	}
	var found []*knownKey
	var names, others []string
	ordered := true
	for i, id := range in.IDs {
		k := find("event " + id)
		if id == "" || k == nil {
			continue
		}
		if k.payload != in.Events[i] {
			others = append(others, id)
		}
		ordered = ordered && (len(found) == 0 || found[len(found)-1].first < k.first)
		found, names = append(found, k), append(names, id)
	}
	switch {
	case len(found) == 0:
		return false
	case len(others) > 0:
		out.Verdict, out.Keys = reused, others
	case len(found) < len(in.Events) || !ordered:
		out.Verdict, out.Keys, out.Partial = reused, names, true
	default:
		out.Duplicate, out.First, out.Last = true, found[0].first, found[len(found)-1].last
	}
	return true
}

func (r *streamRules) read(s *streamState, in streamOp) streamOut {
	version, oldest := s.version(), s.oldest(r)
	out := streamOut{Epoch: s.epoch, Version: version, Oldest: oldest}
	low, high := max(in.From, oldest), version // the page, were it not for the limit
	if in.Backward {
		low, high = oldest, version
		if in.From > 0 {
			high = min(version, in.From)
		}
	} else if in.From > 0 && in.From < oldest {
		out.Gap = streams.Gap{Stream: in.Stream, From: in.From, To: oldest - 1, Cause: streams.CauseLimit}
		if oldest == s.base+1 {
			out.Gap.Cause = streams.CauseDeleted
		}
	}
	if low > high {
		return out
	}
	if n := uint64(in.Limit); high-low >= n {
		out.More = true
		if in.Backward {
			low = high - n + 1
		} else {
			high = low + n - 1
		}
	}
	for x := s.newest; x.length >= low && x.length > 0; x = x.before {
		if x.length <= high {
			out.Seen = append(out.Seen, fmt.Sprint(x.length, "=", x.event))
		}
	}
	if !in.Backward {
		slices.Reverse(out.Seen)
	}
	return out
}

func (r *streamRules) info(s *streamState) streamOut {
	oldest := s.oldest(r)
	return streamOut{
		Epoch: s.epoch, Version: s.version(), Oldest: oldest, Exists: s.exists, Events: int(s.version() + 1 - oldest),
		KeysKnown: len(s.keys),
	}
}
