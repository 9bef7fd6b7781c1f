package core

import "iter"

// A BatchResult lists where the events of one batch append went. The common case, one run, allocates nothing.
type BatchResult struct {
	first Run
	more  []Run
}

func (b *BatchResult) add(r Run) {
	if b.first.Count == 0 {
		b.first = r
		return
	}
	b.more = append(b.more, r)
}

// First returns the position of the first event; meaningless when nothing was appended.
func (b BatchResult) First() Position { return b.first.First }

// Appended returns how many events were stored.
func (b BatchResult) Appended() int {
	n := b.first.Count
	for _, r := range b.more {
		n += r.Count
	}
	return n
}

// Runs yields the parts in the order in which they were stored. Each part is contiguous in one partition and became
// visible as a whole. With Options.Key the parts follow the partitions, each in the batch's own order.
func (b BatchResult) Runs() iter.Seq[Run] {
	return func(yield func(Run) bool) {
		if b.first.Count == 0 || !yield(b.first) {
			return
		}
		for _, r := range b.more {
			if !yield(r) {
				return
			}
		}
	}
}
