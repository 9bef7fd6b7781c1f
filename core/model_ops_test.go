//go:build !explore

package core

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// step does one random operation to the store and the model.
func (m *machine[E]) step() {
	m.t.Helper()
	ops := []struct {
		weight int
		do     func()
	}{
		{8, m.opAppend},
		{8, m.opAppendTo},
		{8, m.opAppendIf},
		{8, m.opBatch},
		{8, m.opBatchTo},
		{10, m.opProducer},
		{2, m.opClear},
		{2, m.opPurge},
		{2, m.opAddPartition},
		{1, m.opRemovePartition},
		{4, m.opCut},
		{4, m.opCheckCut},
		{3, func() { m.note("sync"); mustSync(m.t, m.s) }},
		{6, m.opTick},
	}
	sum := 0
	for _, o := range ops {
		sum += o.weight
	}
	n := m.r.IntN(sum)
	for _, o := range ops {
		if n -= o.weight; n < 0 {
			o.do()
			return
		}
	}
}

func (m *machine[E]) size() int {
	switch m.r.IntN(8) {
	case 0:
		return m.r.IntN(3001)
	case 1, 2:
		return m.r.IntN(300)
	case 3:
		return 0
	}
	return m.r.IntN(20)
}

// anyPartition is now and then one that does not exist.
func (m *machine[E]) anyPartition() int {
	if m.r.IntN(12) == 0 {
		return m.r.IntN(len(m.parts)+4) - 2
	}
	live := m.live()
	return live[m.r.IntN(len(live))]
}

// part returns the model of a partition and why it cannot be appended to.
func (m *machine[E]) part(i int) (*modelPart, error) {
	if i < 0 || i >= len(m.parts) || m.parts[i] == nil {
		return nil, ErrNoPartition
	}
	if m.producers[i] != nil {
		return m.parts[i], ErrOwned
	}
	return m.parts[i], nil
}

func (m *machine[E]) expect(what string, got, want error) bool {
	m.t.Helper()
	if want == nil && got != nil || want != nil && !errors.Is(got, want) {
		m.fatal("%s: error %v, want %v", what, got, want)
	}
	return want == nil
}

func (m *machine[E]) stored(p *modelPart, pos Position, specs []spec) {
	m.t.Helper()
	if want := (Position{p.index, p.next()}); pos != want {
		m.fatal("stored at %v, want %v", pos, want)
	}
	p.log = append(p.log, specs...)
}

// route returns where an event of the key goes, interning the key in the model.
func (m *machine[E]) route(k int) (int, error) {
	switch {
	case m.o.Key == nil && m.o.Partitions > 1:
		return 0, ErrNoKey
	case m.o.Key == nil:
		return 0, nil
	}
	if m.o.MaxKeys > 0 && !m.names[k] {
		if len(m.names) == m.o.MaxKeys {
			m.refused++
			return 0, ErrKeysFull
		}
		m.names[k] = true
	}
	return m.s.PartitionOf(keyName(k)), nil
}

func (m *machine[E]) opAppend() {
	s := m.spec()
	m.note("append %v", s)
	pos, err := m.s.Append(m.k.build(s))
	i, want := m.route(s.key)
	var p *modelPart
	if want == nil {
		p, want = m.part(i)
	}
	if m.expect("Append", err, want) {
		m.stored(p, pos, []spec{s})
	}
}

func (m *machine[E]) opAppendTo() {
	i, s := m.anyPartition(), m.spec()
	m.note("append to %d: %v", i, s)
	pos, err := m.s.AppendTo(i, m.k.build(s))
	p, want := m.part(i)
	if m.expect("AppendTo", err, want) {
		m.stored(p, pos, []spec{s})
	}
}

func (m *machine[E]) opAppendIf() {
	i, n := m.anyPartition(), m.size()
	if n > MaxBatch+10 {
		n = m.r.IntN(MaxBatch + 1)
	}
	p, want := m.part(i)
	expected := m.r.Uint64()
	if p != nil && m.r.IntN(4) > 0 {
		expected = p.next()
	} else if p != nil && m.r.IntN(2) == 0 {
		expected = p.next() + 1 - 2*m.r.Uint64N(2)
	}
	specs := m.specs(n)
	m.note("append %d to %d if %d", n, i, expected)
	pos, err := m.s.AppendIf(i, expected, m.events(specs)...)
	switch {
	case p == nil:
	case n > MaxBatch:
		want = ErrBatchSize
	case n == 0 && expected == p.next():
		want = nil
	case (n == 0 || want == nil) && expected != p.next():
		want = ErrConflict
	}
	if want == ErrConflict && pos != (Position{i, p.next()}) {
		m.fatal("conflict at %v, want %v", pos, Position{i, p.next()})
	}
	if m.expect("AppendIf", err, want) {
		m.stored(p, pos, specs)
	}
}

func (m *machine[E]) opBatch() {
	specs := m.specs(m.size())
	m.note("batch of %d", len(specs))
	b, err := m.s.AppendBatch(m.events(specs))
	if m.o.Key == nil && m.o.Partitions > 1 {
		m.expect("AppendBatch", err, ErrNoKey)
		return
	}
	groups := make([][]spec, m.o.Partitions)
	for _, s := range specs {
		i, want := m.route(s.key)
		if want != nil {
			m.expect("AppendBatch", err, want)
			if b.Appended() != 0 {
				m.fatal("refused batch stored %d", b.Appended())
			}
			return
		}
		groups[i] = append(groups[i], s)
	}
	var want error
	runs := slices.Collect(b.Runs())
	for i, g := range groups {
		if len(g) == 0 {
			continue
		}
		if m.producers[i] != nil {
			want = ErrOwned
			break
		}
		runs = m.storedRuns(m.parts[i], runs, g)
	}
	if m.expect("AppendBatch", err, want); len(runs) != 0 {
		m.fatal("runs too many: %v", runs)
	}
}

// storedRuns takes the runs off that store the given events in parts of MaxBatch.
func (m *machine[E]) storedRuns(p *modelPart, runs []Run, specs []spec) []Run {
	m.t.Helper()
	for part := range slices.Chunk(specs, MaxBatch) {
		if len(runs) == 0 || runs[0].Count != len(part) {
			m.fatal("runs %v for a part of %d", runs, len(part))
		}
		m.stored(p, runs[0].First, part)
		runs = runs[1:]
	}
	return runs
}

func (m *machine[E]) checkBatch(p *modelPart, b BatchResult, specs []spec) {
	m.t.Helper()
	if b.Appended() != len(specs) || len(specs) > 0 && b.First() != (Position{p.index, p.next()}) {
		m.fatal("batch stored %d from %v, want %d from %d", b.Appended(), b.First(), len(specs), p.next())
	}
	if rest := m.storedRuns(p, slices.Collect(b.Runs()), specs); len(rest) != 0 {
		m.fatal("runs too many: %v", rest)
	}
}

func (m *machine[E]) opBatchTo() {
	i, specs := m.anyPartition(), m.specs(m.size())
	m.note("batch of %d to %d", len(specs), i)
	b, err := m.s.AppendBatchTo(i, m.events(specs))
	p, want := m.part(i)
	if len(specs) == 0 && want == ErrOwned {
		want = nil
	}
	if m.expect("AppendBatchTo", err, want) {
		m.checkBatch(p, b, specs)
	}
}

func (m *machine[E]) opProducer() {
	i := m.anyPartition()
	for k := range m.producers { // rather one that is open
		if m.r.IntN(4) > 0 {
			i = k
		}
		break
	}
	w := m.producers[i]
	if w == nil {
		m.note("producer of %d", i)
		w, err := m.s.Producer(i)
		if _, want := m.part(i); m.expect("Producer", err, want) {
			m.producers[i] = w
		}
		return
	}
	p := m.parts[i]
	switch m.r.IntN(6) {
	case 0:
		m.note("close producer of %d", i)
		m.expect("Producer.Close", w.Close(), nil)
		m.expect("Producer.Close again", w.Close(), nil)
		_, err := w.Append(m.k.build(m.spec()))
		m.expect("Append after Close", err, ErrClosed)
		delete(m.producers, i)
	case 1:
		_, err := m.s.Producer(i)
		m.expect("second producer", err, ErrOwned)
	case 2:
		specs := m.specs(m.size())
		m.note("producer of %d: batch of %d", i, len(specs))
		b, err := w.AppendBatch(m.events(specs))
		m.expect("Producer.AppendBatch", err, nil)
		m.checkBatch(p, b, specs)
	default:
		specs := m.specs(m.r.IntN(100))
		m.note("producer of %d: %d events", i, len(specs))
		for _, s := range specs {
			pos, err := w.Append(m.k.build(s))
			m.expect("Producer.Append", err, nil)
			m.stored(p, pos, []spec{s})
		}
	}
}

func (m *machine[E]) opClear() {
	m.note("clear")
	m.expect("Clear", m.s.Clear(), nil)
	for _, i := range m.live() {
		m.parts[i].clear(m.clock.now())
	}
}

// settleFirst fixes the fate of what has left, because the time floor is about to move.
func (m *machine[E]) settleFirst() {
	mustSync(m.t, m.s)
	for _, i := range m.live() {
		m.parts[i].low(m.clock.now())
	}
}

func (m *machine[E]) opPurge() {
	before := m.clock.now().Add(time.Duration(m.r.IntN(240)-220) * time.Second)
	if !m.mixed && m.o.Time != nil {
		before = m.last.Add(-time.Duration(m.r.IntN(20)) * time.Second)
	}
	m.note("purge before %v", before)
	if !m.timed() {
		m.expect("Purge", m.s.Purge(before), ErrNoTime)
		return
	}
	m.settleFirst()
	m.expect("Purge", m.s.Purge(before), nil)
	if before.After(m.purged) {
		m.purged = before
	}
	for _, i := range m.live() {
		p := m.parts[i]
		p.hadFloor = true
		if before.After(p.purgedTo) {
			p.purgedTo = before
		}
	}
}

func (m *machine[E]) opAddPartition() {
	o := PartitionOptions{Capacity: 1 + m.r.IntN(200), StartAt: uint64(m.r.IntN(2)) * (^uint64(0) - 20)}
	if m.timed() && m.r.IntN(3) == 0 {
		o.MaxAge = time.Duration(1+m.r.IntN(200)) * time.Second
	}
	if m.o.Size != nil && m.r.IntN(2) == 0 {
		o.MaxBytes = int64(1 + m.r.IntN(2000))
	}
	i, err := m.s.AddPartition(o)
	m.note("add partition %d: %+v", i, o)
	if m.expect("AddPartition", err, nil); i != len(m.parts) {
		m.fatal("added partition is %d, want %d", i, len(m.parts))
	}
	m.parts = append(m.parts, &modelPart{
		index: i, start: o.StartAt, capacity: o.Capacity, maxAge: o.MaxAge, maxBytes: o.MaxBytes,
		purgedTo: m.purged, hadFloor: o.MaxAge > 0 || !m.purged.IsZero(),
	})
}

func (m *machine[E]) opRemovePartition() {
	i := m.anyPartition()
	if n := len(m.parts); n > m.o.Partitions && m.r.IntN(4) > 0 {
		i = m.o.Partitions + m.r.IntN(n-m.o.Partitions)
	}
	m.note("remove partition %d", i)
	p, want := m.part(i)
	if i >= 0 && i < m.o.Partitions {
		want = ErrFixedPartition
	}
	if m.expect("RemovePartition", m.s.RemovePartition(i), want) {
		p.clear(m.clock.now())
		m.gone = append(m.gone, p)
		m.parts[i] = nil
	}
}

func (m *machine[E]) opTick() {
	d := time.Duration(m.r.IntN(30_000)) * time.Millisecond
	m.note("clock +%v", d)
	m.settleFirst()
	m.clock.add(d)
	if m.last.Before(m.clock.now()) {
		m.last = m.clock.now()
	}
}

// finish closes the store and checks what must hold afterwards.
func (m *machine[E]) finish() {
	m.t.Helper()
	for i, w := range m.producers {
		m.expect(fmt.Sprint("close producer of ", i), w.Close(), nil)
		delete(m.producers, i)
	}
	m.checkTold()
	m.note("close")
	m.expect("Close", m.s.Close(), nil)
	m.expect("Close again", m.s.Close(), nil)
	_, err := m.s.AppendTo(0, m.k.build(m.spec()))
	m.expect("AppendTo after Close", err, ErrClosed)
	m.expect("Clear after Close", m.s.Clear(), ErrClosed)
	m.expect("Purge after Close", m.s.Purge(m.clock.now()), ErrClosed)
	_, err = m.s.AddPartition(PartitionOptions{Capacity: 1})
	m.expect("AddPartition after Close", err, ErrClosed)
	m.check()
	for len(m.cuts) > 0 {
		m.opCheckCut()
	}
	m.check()
}
