package core

// Number is every built-in integer and floating-point type, and every type defined on one.
type Number interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 |
		~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr |
		~float32 | ~float64
}

// Summary is the count, sum, minimum and maximum of a set of numbers.
//
// The zero Summary is empty and ready to use. NaN and ±Inf are counted in
// NonFinite and touch nothing else, so one bad reading cannot poison the rest.
// Min and Max mean nothing (and are zero) while Count is 0.
//
// Sum carries its rounding error along in a hidden field and is therefore as a
// rule correct to the last bit, in whatever order the numbers came. It becomes
// ±Inf when it leaves the range of float64.
//
// A Summary is for one goroutine at a time; a copy is independent.
type Summary struct {
	Count, NonFinite uint64
	Sum, Min, Max    float64
	// lost is what rounding has taken from Sum so far.
	lost float64
}

// Add takes one number in. It does not allocate.
func (s *Summary) Add(v float64) {
	s.add(v)
	s.settle()
}

// add leaves Sum without its correction, which saves half the time in a loop;
// call settle before anybody reads Sum.
func (s *Summary) add(v float64) {
	if v-v != 0 { // only NaN and ±Inf
		s.NonFinite++
		return
	}
	if s.Count == 0 {
		s.Min, s.Max = v, v
	}
	s.Count++
	s.Min, s.Max = min(s.Min, v), max(s.Max, v)
	s.accumulate(v)
}

// accumulate is Knuth's exact two-sum: free of branches, unlike Neumaier's
// version of it, whose comparison is mispredicted on mixed magnitudes.
func (s *Summary) accumulate(v float64) {
	sum := s.Sum + v
	back := sum - s.Sum
	s.lost += (s.Sum - (sum - back)) + (v - back)
	s.Sum = sum
}

// settle moves what rounding has lost back into Sum as far as it fits.
func (s *Summary) settle() {
	if s.lost-s.lost != 0 { // Sum has overflowed: the error is not a number
		s.lost = 0
		return
	}
	sum := s.Sum + s.lost
	if sum-sum != 0 {
		s.Sum, s.lost = sum, 0
		return
	}
	s.lost -= sum - s.Sum
	s.Sum = sum
}

// Merge adds the content of other, which it neither keeps nor changes.
func (s *Summary) Merge(other *Summary) {
	s.NonFinite += other.NonFinite
	if other.Count == 0 {
		return
	}
	if s.Count == 0 {
		s.Min, s.Max = other.Min, other.Max
	}
	s.Count += other.Count
	s.Min, s.Max = min(s.Min, other.Min), max(s.Max, other.Max)
	lost := other.lost
	s.accumulate(other.Sum)
	s.lost += lost
	s.settle()
}

// Average returns Sum divided by Count; false when there is nothing to average.
func (s *Summary) Average() (float64, bool) {
	if s.Count == 0 {
		return 0, false
	}
	return s.Sum / float64(s.Count), true
}
