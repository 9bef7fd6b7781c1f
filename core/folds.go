package core

import "iter"

// A Folded is a run of events of one segment, together with what a rollup keeps of the whole segment.
type Folded[E, A any] struct {
	First  Position // of Events[0]
	Events []E      // read only, good until the cut is closed
	Offset int      // how many events of the segment come before Events[0]; Add saw them first
	Value  *A       // read only; nil while the segment is being written, and when folding it panicked
}

// Folds yields the runs of a view of the same store with the folds of their segments, for rollups that are an index
// rather than a sum: a fold covers its whole segment, whatever part of it the view selects. Folding happens here if
// nobody needed it before. Events come in the order of Runs.
func (r *Rollup[E, A]) Folds(v View[E]) iter.Seq[Folded[E, A]] {
	return func(yield func(Folded[E, A]) bool) {
		for x := range v.pieces() {
			f := Folded[E, A]{First: x.position(), Events: x.events(), Offset: int(x.a)}
			if v.cut.store == r.store {
				f.Value = r.valueOf(x)
			}
			if !yield(f) {
				return
			}
		}
	}
}

// valueOf returns the fold of the whole segment of x, if it is sealed.
func (r *Rollup[E, A]) valueOf(x piece[E]) *A {
	n, final := x.s.full()
	if !final || !x.s.seal() {
		return nil
	}
	v, _ := value(x.c.p.conf.digestOf(x.s, 0, n, r.index+1), r.index).(*A)
	return v
}
