package core

// queue is a first-in first-out ring of pointers; taking from near the front is O(1).
type queue[T any] struct {
	buf     []*T
	head, n int
}

func (f *queue[T]) len() int    { return f.n }
func (f *queue[T]) at(i int) *T { return f.buf[(f.head+i)&(len(f.buf)-1)] }

func (f *queue[T]) push(x *T) {
	if f.n == len(f.buf) {
		buf := make([]*T, max(8, 2*len(f.buf)))
		for i := range f.n {
			buf[i] = f.at(i)
		}
		f.buf, f.head = buf, 0
	}
	f.buf[(f.head+f.n)&(len(f.buf)-1)] = x
	f.n++
}

// take removes the i-th element.
func (f *queue[T]) take(i int) {
	m := len(f.buf) - 1
	for ; i > 0; i-- {
		f.buf[(f.head+i)&m] = f.buf[(f.head+i-1)&m]
	}
	f.buf[f.head] = nil
	f.head = (f.head + 1) & m
	f.n--
}
