package streams

import (
	"context"
	"fmt"
	"slices"

	"github.com/ephemera-go/ephemera/core"
)

// Read implements Log.
func (l *Local) Read(ctx context.Context, r Read) (Page, error) {
	if err := l.start(ctx, "read", r.Stream); err != nil {
		return Page{}, err
	}
	if err := CheckName(r.Stream); err != nil {
		return Page{}, wrap("read", r.Stream, err)
	}
	if r.Limit < 0 || r.Limit > MaxPage {
		return Page{}, wrap("read", r.Stream, fmt.Errorf("%w: limit %d; at most %d", ErrInvalid, r.Limit, MaxPage))
	}
	if r.Limit == 0 {
		r.Limit = DefaultPage
	}
	for {
		s := l.find(r.Stream)
		if s == nil {
			if i, ok := l.absent(r.Stream); ok {
				return emptyPage(r, i), nil
			}
			continue
		}
		if p, ok := l.page(s, r); ok {
			return p, nil
		}
	}
}

// emptyPage is the page of a stream that does not exist.
func emptyPage(r Read, i Info) Page {
	p := Page{Stream: r.Stream, Version: i.Version, Oldest: i.Oldest, Epoch: i.Epoch}
	if r.From > 0 && r.From <= i.Version && !r.Backward {
		p.Gap = &Gap{r.Stream, r.From, i.Version, CauseDeleted}
	}
	return p
}

// cut opens a view of a stream; not ok if it was deleted. It is opened under the lock, because an append that is half done
// has pushed out events already and shows none of its own yet.
func (l *Local) cut(s *stream) (cut *core.Cut[Record], version uint64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return nil, 0, false
	}
	cut = l.store.Cut(s.partition)
	_, _, _ = cut.Bounds(s.partition) // a cut looks where it ends when it is asked first
	return cut, s.version, true
}

// page reads from a stream; not ok if it was deleted meanwhile.
func (l *Local) page(s *stream, r Read) (Page, bool) {
	cut, version, ok := l.cut(s)
	if !ok {
		return Page{}, false
	}
	defer cut.Close()
	oldest := oldestVersion(cut, s.partition, version)
	p := Page{Stream: s.name, Version: version, Oldest: oldest, Epoch: l.Epoch()}
	from, to := r.From, version
	if r.Backward {
		if from == 0 || from > version {
			from = version
		}
		from, to = oldest, from
		if n := uint64(r.Limit); to >= from && to-from >= n {
			from, p.More = to-n+1, true
		}
	} else {
		if from == 0 {
			from = oldest
		}
		if from < oldest {
			p.Gap = &Gap{s.name, from, oldest - 1, l.cause(s, oldest)}
			from = oldest
		}
		if n := uint64(r.Limit); to >= from && to-from >= n {
			to, p.More = from+n-1, true
		}
	}
	p.Events = collect(cut, s, from, to)
	if r.Backward {
		slices.Reverse(p.Events)
	}
	return p, true
}

// collect returns the events with versions from to to.
func collect(cut *core.Cut[Record], s *stream, from, to uint64) []Event {
	if from > to {
		return nil
	}
	list := make([]Event, 0, to-from+1)
	for pos, run := range cut.From(core.Position{Partition: s.partition, Sequence: from - 1}).Runs() {
		for i := range run {
			version := pos.Sequence + uint64(i) + 1
			if version > to {
				return list
			}
			list = append(list, run[i].event(s.name, version))
		}
	}
	return list
}

// oldestVersion returns the version of the oldest event that the cut shows, version+1 if there is none.
func oldestVersion(cut *core.Cut[Record], partition int, version uint64) uint64 {
	pos, _, ok := cut.Partition(partition).First()
	if !ok {
		return version + 1
	}
	return pos.Sequence + 1
}

// cause tells why the events before the oldest of a stream are gone.
func (l *Local) cause(s *stream, oldest uint64) Cause {
	if oldest <= s.base+1 {
		return CauseDeleted
	}
	switch ledger, err := l.store.PartitionLedger(s.partition); {
	case err != nil || ledger.Discarded > 0:
		return CauseLimit
	case ledger.Cleared+ledger.Purged > 0:
		return CauseDeleted
	case ledger.Expired+ledger.Hidden > 0:
		return CauseAge
	}
	return CauseLimit
}
