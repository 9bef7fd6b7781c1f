package snapshot

// Integer is any integer type.
type Integer interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr
}

// IntColumn is a column for a field of any integer type. The type may change as long as the numbers fit.
func IntColumn[E any, N Integer](field func(*E) *N) Column[E] {
	if field == nil {
		return Column[E]{}
	}
	return Column[E]{intColumn[E, N]{field}}
}

type intColumn[E any, N Integer] struct{ field func(*E) *N }

func (c intColumn[E, N]) kind() string { return "int" }

func (c intColumn[E, N]) write(dst []byte, events []E, s *scratch) []byte {
	v := s.ints[:len(events)]
	gather(c.field, events, v)
	return appendInts(dst, v)
}

// gather reads a field of events, four at a time: that is faster by an eighth.
func gather[E any, N, T Integer | ~float32 | ~float64](field func(*E) *N, events []E, v []T) {
	for len(events) >= 4 && len(v) >= 4 {
		a, b, c, d := *field(&events[0]), *field(&events[1]), *field(&events[2]), *field(&events[3])
		v[0], v[1], v[2], v[3] = T(a), T(b), T(c), T(d)
		events, v = events[4:], v[4:]
	}
	for i := range events {
		v[i] = T(*field(&events[i]))
	}
}

func (c intColumn[E, N]) read(r *reader, events []E, s *scratch) {
	v := s.ints[:len(events)]
	if readInts(r, v); r.err != nil {
		return
	}
	for i := range events {
		x := N(v[i])
		if int64(x) != v[i] {
			r.fail("%d does not fit the field", v[i])
			return
		}
		*c.field(&events[i]) = x
	}
}
