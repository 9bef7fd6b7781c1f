package s3store

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/ephemera-go/ephemera/sinks"
)

const (
	// together is how many objects are fetched at once, at most. They are of at most togetherBytes, or one.
	together      = 16
	togetherBytes = 8 << 20
)

// locate returns the first object that holds a signal above a sequence; 0 when there is none.
func (s *signalStore) locate(ctx context.Context, v *view, above uint64) (ordinal uint64, err error) {
	if v.newest.last <= above {
		return 0, nil
	}
	low, high := v.first(), v.newest.ordinal
	if v.newest.previous <= above {
		low = high
	}
	for low < high {
		middle := low + (high-low)/2
		v.touch(middle)
		h, err := s.header(ctx, middle)
		if err != nil {
			return 0, err
		}
		if h.last > above {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low, nil
}

// visit calls f with the signals above a sequence, ascending, until it returns false.
func (s *signalStore) visit(ctx context.Context, v *view, above uint64, f func(*sinks.Signal) bool) error {
	above = max(above, v.Trimmed)
	begin, err := s.locate(ctx, v, above)
	if err != nil || begin == 0 {
		return err
	}
	return s.walk(ctx, v, run{begin, v.newest.ordinal}, func(o *logObject) bool {
		for i := range o.signals {
			if o.signals[i].Sequence > above && !f(&o.signals[i]) {
				return false
			}
		}
		return true
	})
}

// A run is the ordinals from one to another, ascending or descending, both included.
type run struct{ from, to uint64 }

func (r run) descends() bool { return r.from > r.to }

func (r run) len() uint64 { return max(r.from, r.to) - min(r.from, r.to) + 1 }

func (r run) at(i uint64) uint64 {
	if r.descends() {
		return r.from - i
	}
	return r.from + i
}

// walk calls f with the objects of a run until it returns false. It fetches more and more at once.
func (s *signalStore) walk(ctx context.Context, v *view, r run, f func(*logObject) bool) error {
	var before *logObject
	sizes := make(map[uint64]int64)
	wanted := 1
	for i := uint64(0); i < r.len(); wanted = min(2*wanted, together) {
		n, err := s.plan(ctx, r, i, wanted, sizes)
		if err != nil {
			return err
		}
		v.touch(min(r.at(i), r.at(i+uint64(n)-1)))
		objects, err := s.fetch(ctx, r, i, n)
		if err != nil {
			return err
		}
		for _, o := range objects {
			if before != nil {
				if err := adjacent(before, o); err != nil {
					return err
				}
			}
			if !f(o) {
				return nil
			}
			before = o
		}
		i += uint64(n)
	}
	return nil
}

func adjacent(a, b *logObject) error {
	if a.ordinal > b.ordinal {
		a, b = b, a
	}
	return b.follows(&a.header)
}

// plan returns how many objects of a run to fetch together, so that memory stays bounded.
func (s *signalStore) plan(ctx context.Context, r run, i uint64, wanted int, sizes map[uint64]int64) (n int, err error) {
	wanted = int(min(uint64(wanted), r.len()-i))
	if wanted == 1 {
		return 1, nil
	}
	var bytes int64
	for n < wanted {
		ordinal := r.at(i + uint64(n))
		if _, known := sizes[ordinal]; !known {
			end := min(i+uint64(n)+maxPage, r.len()) - 1
			if err := s.sizes(ctx, run{ordinal, r.at(end)}, sizes); err != nil {
				return 0, err
			}
		}
		if bytes += sizes[ordinal]; n > 0 && bytes > togetherBytes {
			break
		}
		n++
	}
	return n, nil
}

// sizes lists a run of up to maxPage objects.
func (s *signalStore) sizes(ctx context.Context, r run, sizes map[uint64]int64) error {
	clear(sizes)
	low, high := min(r.from, r.to), max(r.from, r.to)
	// Keys descend.
	err := s.bucket.list(ctx, s.dir, s.key(high+1), int(r.len()), func(key string, size int64) bool {
		ordinal, ours := parseOrdinal(strings.TrimPrefix(key, s.dir))
		if ours && ordinal >= low {
			sizes[ordinal] = size
		}
		return !ours || ordinal > low
	})
	if err != nil {
		return err
	}
	for i := range r.len() {
		if _, there := sizes[r.at(i)]; !there {
			return &missingError{r.at(i)}
		}
	}
	return nil
}

// fetch reads n objects of a run at once.
func (s *signalStore) fetch(ctx context.Context, r run, i uint64, n int) ([]*logObject, error) {
	objects, problems := make([]*logObject, n), make([]error, n)
	var group sync.WaitGroup
	for k := range n {
		group.Go(func() { objects[k], problems[k] = s.object(ctx, r.at(i+uint64(k))) })
	}
	group.Wait()
	for _, err := range problems {
		if err != nil {
			return nil, err
		}
	}
	return objects, nil
}

// object reads an object.
func (s *signalStore) object(ctx context.Context, ordinal uint64) (*logObject, error) {
	b, _, err := s.bucket.read(ctx, s.key(ordinal), maxLogObject)
	if err != nil {
		return nil, objectError(ordinal, err)
	}
	o, err := decodeObject(b, ordinal)
	if err != nil {
		return nil, objectError(ordinal, err)
	}
	s.remember(o.header)
	return o, nil
}

// Read implements sinks.SignalStore.
func (s *signalStore) Read(ctx context.Context, after uint64, limit int) (signals []sinks.Signal, err error) {
	err = s.reading(ctx, func(v *view) error {
		signals = nil
		return s.visit(ctx, v, after, func(signal *sinks.Signal) bool {
			signals = append(signals, *signal)
			return len(signals) < limit
		})
	})
	return signals, err
}

// ReadNewest implements sinks.SignalStore.
func (s *signalStore) ReadNewest(ctx context.Context, before uint64, limit int) ([]sinks.Signal, error) {
	if before == 0 {
		before = sinks.MaxSequence + 1
	}
	var signals []sinks.Signal // descending
	err := s.reading(ctx, func(v *view) error {
		signals = nil
		begin, err := s.locate(ctx, v, before-1)
		if err != nil {
			return err
		}
		if begin == 0 {
			begin = v.newest.ordinal
		}
		if begin == 0 {
			return nil
		}
		return s.walk(ctx, v, run{begin, v.first()}, func(o *logObject) bool {
			for i := len(o.signals) - 1; i >= 0 && len(signals) < limit && o.signals[i].Sequence > v.Trimmed; i-- {
				if o.signals[i].Sequence < before {
					signals = append(signals, o.signals[i])
				}
			}
			return len(signals) < limit
		})
	})
	slices.Reverse(signals)
	return signals, err
}
