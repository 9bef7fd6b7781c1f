package core

// SetCapacity changes how many events a partition keeps, while it is in use. Shrinking discards the oldest events at once;
// growing brings nothing back of what had left before the call, but a later cut may show what one leaves out that is opened
// during it. Segments keep the size that fits the capacity the partition was made with. Errors: ErrClosed, ErrNoPartition,
// and an OptionError for a capacity outside of [1, MaxCapacity].
func (s *Store[E]) SetCapacity(partition, capacity int) error {
	if s.closed.Load() {
		return ErrClosed
	}
	if err := s.checkPartition(PartitionOptions{Capacity: capacity}); err != nil {
		return err
	}
	p := s.part(partition)
	if p == nil {
		return wrap(ErrNoPartition, "resize partition %d", partition)
	}
	s.checkFull(false)
	p.resize(uint64(capacity))
	s.checkFull(false)
	return nil
}

// SetLimits changes all limits of a partition while it is in use; StartAt is ignored. What is over a new limit leaves at
// once. A longer MaxAge brings back events that were hidden and have not been settled yet, nothing else brings anything
// back. Errors: as SetCapacity, and OptionErrors for limits that AddPartition would refuse.
func (s *Store[E]) SetLimits(partition int, o PartitionOptions) error {
	if s.closed.Load() {
		return ErrClosed
	}
	if err := s.checkPartition(o); err != nil {
		return err
	}
	p := s.part(partition)
	if p == nil {
		return wrap(ErrNoPartition, "limits of partition %d", partition)
	}
	s.checkFull(false)
	if o.MaxAge > 0 {
		s.watch(p)
	}
	p.maxAge.Store(int64(o.MaxAge))
	p.maxBytes.Store(o.MaxBytes)
	p.resize(uint64(o.Capacity))
	s.checkFull(false)
	return nil
}

// resize holds both locks, so that nobody retires or settles meanwhile. Growing must not show again what left: the
// floor keeps it away, and is raised before the capacity, so that a cut that loads the new capacity and then the floor
// finds it. A cut that loads the old capacity loaded the head and the watermark before it, and these were not moved by
// the new one yet.
func (p *partition[E]) resize(capacity uint64) {
	p.account.mu.Lock()
	defer p.account.mu.Unlock()
	p.enter()
	defer p.leave()
	p.raise(p.lowest(p.next()))
	p.cap.Store(capacity)
	p.limit = retiredLimit(int(capacity), p.unit)
}
