package benchmarks

// Channel is the buffered channel that drops its oldest event.
func Channel(capacity int) Design {
	c := NewDropOldest[Event](capacity)
	return Design{Name: "channel", Append: func(x uint64) { c.Append(Make(x)) }, Close: func() {}}
}

// MPMC is the bounded queue of xsync.
func MPMC(capacity int) Design {
	q := NewQueue[Event](capacity)
	return Design{Name: "xsync", Append: func(x uint64) { q.Append(Make(x)) }, Close: func() {}}
}

// ManyToOne is the diode for many writers.
func ManyToOne(capacity int) Design {
	d := NewDiode(capacity)
	return Design{Name: "diode", Append: func(x uint64) { d.Append(Make(x)) }, Close: func() {}}
}

// OneToOne is the diode for one writer.
func OneToOne(capacity int) Design {
	d := NewSingleDiode(capacity)
	return Design{Name: "single diode", Append: func(x uint64) { d.Append(Make(x)) }, Close: func() {}}
}

// Workiva is the ring buffer of Workiva.
func Workiva(capacity int) Design {
	r := NewWorkivaRing(capacity)
	return Design{Name: "workiva", Append: func(x uint64) { r.Append(Make(x)) }, Close: func() {}}
}
