//go:build explore

package explore

// cell is the access history of one plain memory location: the last write as
// (thread, time) and the last read of every thread since.
type cell struct {
	writer  int
	written uint32 // 0: not written by a thread
	reads   clock
}

func (s *scheduler) cellOf(p any) *cell {
	i, ok := s.cellIndex[p]
	if !ok {
		i = len(s.cells)
		s.cells = append(s.cells, cell{})
		s.cellIndex[p] = i
	}
	return &s.cells[i]
}

// Read announces a plain read of the location p points to. A location is known
// by its pointer: always announce it with a pointer of the same type, and never
// announce values of size zero, which share one address.
func Read(p any) {
	s := current
	if s == nil || s.failed {
		return
	}
	t := s.running()
	s.note(t, "read", p)
	c := s.cellOf(p)
	if c.written > t.clock[c.writer] {
		s.Fail("DATA RACE: thread %d reads %T %p, thread %d wrote it without synchronisation", t.id, p, p, c.writer)
	}
	c.reads[t.id] = t.clock[t.id]
}

// Write announces a plain write, with the rules of Read.
func Write(p any) {
	s := current
	if s == nil || s.failed {
		return
	}
	t := s.running()
	s.note(t, "write", p)
	c := s.cellOf(p)
	if c.written > t.clock[c.writer] {
		s.Fail("DATA RACE: thread %d writes %T %p, thread %d wrote it without synchronisation", t.id, p, p, c.writer)
	}
	for i := range c.reads {
		if c.reads[i] > t.clock[i] {
			s.Fail("DATA RACE: thread %d writes %T %p, thread %d read it without synchronisation", t.id, p, p, i)
		}
	}
	// Every earlier read happens before this write, so later checks need only the write.
	*c = cell{writer: t.id, written: t.clock[t.id]}
}
