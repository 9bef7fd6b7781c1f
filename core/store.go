package core

import (
	"math"
	"reflect"
	"sync"
	"sync/atomic"
	"time"
)

// A Store keeps the most recent events of type E in memory. Make one with New, and Close it. All methods are safe for
// concurrent use. Appends are lock-free: they never wait for readers, callbacks or each other. The exceptions
// are Options.Lanes, with a lock now and then, and Options.OnStats, which runs in the append.
//
// A Store must not be copied.
type Store[E any] struct {
	only   *partition[E]   // where an Ordered store appends; nil when Append has more to do than that
	direct []*partition[E] // where AppendTo need not look further: fixed, or none
	fixed  []*partition[E] // made by New
	key    func(E) string
	keys   *Keys
	bound  bool // keys are interned by Append
	lanes  *lanes[E]
	seen   *observer

	conf    *config[E]
	purged  atomic.Pointer[instant] // the latest Purge
	dir     directory[E]
	scratch sync.Pool // *scratch[E]
	epoch   Epoch

	closed      atomic.Bool
	coarse      *coarseClock
	sweeper     sweeper[E]
	registering sync.Mutex // of rollups
	rate        rateMeter
	full        fullness
	removed     removals[E]

	watching atomic.Bool // some partition waits for the sweeper before it reuses segments
	lively   atomic.Bool // the last sweep settled something
}

// New makes a store and starts its background goroutine, which Close stops. Every bad option is an OptionError; all of
// them are joined.
func New[E any](o Options[E]) (*Store[E], error) {
	o.setDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	s := &Store[E]{key: o.Key, epoch: o.Epoch, bound: o.MaxKeys > 0}
	if s.epoch.IsZero() {
		s.epoch = newEpoch()
	}
	if err := s.setKeys(&o); err != nil {
		return nil, err
	}
	s.configure(&o)
	for i := range o.count() {
		p := newPartition(s.conf, i, share(o.Capacity, o.count(), i), startAt(o.StartAt, i))
		p.maxAge.Store(int64(o.MaxAge))
		if o.MaxBytes > 0 {
			p.maxBytes.Store(o.MaxBytes/int64(o.count()) + min(1, max(0, o.MaxBytes%int64(o.count())-int64(i))))
		}
		s.prepare(p)
		s.fixed = append(s.fixed, p)
	}
	s.dir.alive.Store(&s.fixed)
	restored := false
	defer func() {
		if !restored && s.coarse != nil {
			s.coarse.stop()
		}
	}()
	if err := s.restore(&o.Restore); err != nil {
		return nil, err
	}
	restored = true
	if o.OnStats != nil {
		s.seen = &observer{stats: s.Stats, call: o.OnStats, interval: uint64(o.StatsInterval), panics: &s.conf.panics}
	}
	s.place(&o)
	s.full.call, s.full.panics = o.OnFull, &s.conf.panics
	s.rate.start(s.conf.now())
	s.sweeper.start(s)
	return s, nil
}

// place decides where Append goes.
func (s *Store[E]) place(o *Options[E]) {
	switch {
	case o.Lanes > 0:
		s.lanes = newLanes(s.fixed, s.seen)
	case s.seen == nil && !o.Arrival:
		s.direct = s.fixed
		if len(s.fixed) == 1 && !s.bound {
			s.only = s.fixed[0]
		}
	}
}

func (s *Store[E]) setKeys(o *Options[E]) (err error) {
	limit := o.MaxKeys
	if limit == 0 {
		limit = math.MaxInt32
	}
	s.keys, err = NewKeys(limit, o.KeyNames...)
	return err
}

func (s *Store[E]) configure(o *Options[E]) {
	c := &config[E]{
		eventBytes: uint64(reflect.TypeFor[E]().Size()),
		pointers:   holdsPointers(reflect.TypeFor[E]()), arrival: o.Arrival, maxPending: o.MaxPending,
		now: o.Clock, time: o.Time, size: o.Size, deliver: o.OnDiscard,
	}
	s.conf = c
	if c.now != nil {
		c.clock = func() int64 { return c.now().UnixNano() }
		return
	}
	c.now = time.Now
	if o.Arrival {
		s.coarse = startCoarseClock()
		c.clock = s.coarse.now
	}
}

// prepare makes a partition keep what its options need to see before it is reused.
func (s *Store[E]) prepare(p *partition[E]) {
	if p.maxAge.Load() > 0 || s.conf.deliver != nil || s.conf.retains() {
		s.watch(p)
	}
}

func (s *Store[E]) watch(p *partition[E]) {
	p.watch()
	s.watching.Store(true)
}

func startAt(starts []uint64, i int) uint64 {
	if starts == nil {
		return 0
	}
	return starts[i]
}

// Epoch returns the identity of this incarnation of the store.
func (s *Store[E]) Epoch() Epoch { return s.epoch }

// Keys returns the store's dictionary of interned names.
func (s *Store[E]) Keys() *Keys { return s.keys }

// Capacity returns how many events the store keeps, over all its partitions.
func (s *Store[E]) Capacity() int {
	n := 0
	for _, p := range s.all() {
		n += int(p.cap.Load())
	}
	return n
}

// Partitions returns how many partitions there are, the overflow partition of lanes included.
func (s *Store[E]) Partitions() int { return len(s.all()) }

// PartitionOf returns the partition that events of the key go to: the same for every path, batch size and process. It
// is meaningful with Options.Key.
func (s *Store[E]) PartitionOf(key string) int { return PartitionOf(key, len(s.fixed)) }

// PartitionOf returns the partition that events of the key go to in a store of that many partitions, at least 1.
func PartitionOf(key string, partitions int) int { return partitionOf(hashKey(key), partitions) }

// Next returns the sequence that the partition's next event will get.
func (s *Store[E]) Next(partition int) (uint64, error) {
	p := s.part(partition)
	if p == nil {
		return 0, ErrNoPartition
	}
	return p.start + p.next(), nil
}

// Len returns how many events a cut opened now shows.
func (s *Store[E]) Len() int {
	c := s.Cut()
	defer c.Close()
	return c.Len()
}

// Empty reports whether a cut opened now shows nothing.
func (s *Store[E]) Empty() bool { return s.Len() == 0 }

// Full reports whether every partition holds as many events as its capacity, hidden ones included. The overflow
// partition of lanes does not count.
func (s *Store[E]) Full() bool {
	for _, p := range s.all() {
		if (s.lanes == nil || p != s.lanes.overflow) && !p.full() {
			return false
		}
	}
	return true
}

func (p *partition[E]) full() bool {
	q := p.next()
	return q-min(q, p.floor.Load()) >= p.cap.Load()
}

// Close refuses appends from now on, delivers what OnDiscard is owed and stops the background goroutine. Events stay
// readable, and open cuts stay valid. If OnDiscard is running at this moment, the rest of its events are delivered
// after Close returned. A second Close returns at once. It always returns nil.
func (s *Store[E]) Close() error {
	if !s.closed.CompareAndSwap(false, true) {
		return nil // no sync.Once: OnDiscard may call Close while Close delivers
	}
	for _, p := range s.all() {
		p.stop(stateClosed)
	}
	s.sweeper.stop(s)
	if s.coarse != nil {
		s.coarse.stop()
	}
	return nil
}
