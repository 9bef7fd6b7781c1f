package snapshot

import "math"

// FloatColumn is a column for a floating-point field. Every value comes back as it was, −0 and infinities included; of a
// NaN in a float32, that it is one.
func FloatColumn[E any, F ~float32 | ~float64](field func(*E) *F) Column[E] {
	if field == nil {
		return Column[E]{}
	}
	return Column[E]{floatColumn[E, F]{field}}
}

type floatColumn[E any, F ~float32 | ~float64] struct{ field func(*E) *F }

func (c floatColumn[E, F]) kind() string {
	if single[F]() {
		return "float32"
	}
	return "float64"
}

func single[F ~float32 | ~float64]() bool {
	wide := 1<<24 + 1.0
	return float64(F(wide)) != wide
}

// Ways to write a group of floating-point numbers: as whole numbers to be divided by this power of ten, or as the whole
// numbers that their bits are.
const (
	maxDecimals = 6
	floatsBits  = 255
)

const (
	decimalsSample = 16
	maxWhole       = 1 << 51 // whole numbers are below it
	rounding       = 3 << 51 // numbers between 2^52 and 2^53 have no fraction
)

var powersOfTen = [maxDecimals + 1]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6}

func (c floatColumn[E, F]) write(dst []byte, events []E, s *scratch) []byte {
	v, n := s.floats[:len(events)], s.ints[:len(events)]
	gather(c.field, events, v)
	decimals, ok := whole[F](v, n)
	if !ok {
		decimals = floatsBits
		bitsOf[F](v, n)
	}
	return appendInts(append(dst, decimals), n)
}

// whole turns v, at least one number, into whole numbers with the fewest decimals that all of them need. Not ok unless all
// come back the same.
func whole[F ~float32 | ~float64](v []float64, ints []int64) (decimals byte, ok bool) {
	var sample [decimalsSample]float64
	n := 0
	for i := 0; i < len(v); i += 1 + len(v)/decimalsSample {
		sample[n], n = v[i], n+1
	}
	for ; decimals <= maxDecimals; decimals++ {
		power := powersOfTen[decimals]
		if scale[F](sample[:n], ints, power) < n {
			continue
		}
		bad := scale[F](v, ints, power)
		if bad == len(v) {
			return decimals, true
		}
		sample[0] = v[bad]
	}
	return 0, false
}

// scale returns how many numbers it turned before one that does not come back. The conversions to float64 keep compilers
// from fusing operations, so that all machines write the same.
func scale[F ~float32 | ~float64](v []float64, ints []int64, power float64) int {
	ints = ints[:len(v)]
	different, size := uint64(0), int64(0)
	zero := int64(math.Float64bits(rounding))
	for i, x := range v {
		up := float64(float64(x*power) + rounding) // the last bits are the nearest whole number now
		k := int64(math.Float64bits(up)) - zero
		different |= math.Float64bits(float64(F((up-rounding)/power))) ^ math.Float64bits(x) // tells −0 from 0
		size |= k ^ k>>63
		ints[i] = k
	}
	if different == 0 && size < maxWhole {
		return len(v)
	}
	for i, k := range ints {
		if math.Float64bits(float64(F(float64(k)/power))) != math.Float64bits(v[i]) || k^k>>63 >= maxWhole {
			return i
		}
	}
	return 0 // not reached
}

func bitsOf[F ~float32 | ~float64](v []float64, ints []int64) {
	for i, x := range v {
		if single[F]() {
			ints[i] = int64(math.Float32bits(float32(x)))
		} else {
			ints[i] = int64(math.Float64bits(x))
		}
	}
}

func (c floatColumn[E, F]) read(r *reader, events []E, s *scratch) {
	ints := s.ints[:len(events)]
	decimals := r.byte()
	if decimals > maxDecimals && decimals != floatsBits {
		r.fail("%d decimals", decimals)
	}
	if readInts(r, ints); r.err != nil {
		return
	}
	if decimals == floatsBits {
		c.readBits(r, ints, events)
		return
	}
	power := powersOfTen[decimals]
	for i := range events {
		*c.field(&events[i]) = F(float64(ints[i]) / power)
	}
}

func (c floatColumn[E, F]) readBits(r *reader, ints []int64, events []E) {
	short := single[F]()
	for i := range events {
		switch u := uint64(ints[i]); {
		case !short:
			*c.field(&events[i]) = F(math.Float64frombits(u))
		case u <= math.MaxUint32:
			*c.field(&events[i]) = F(math.Float32frombits(uint32(u)))
		default:
			r.fail("%#x as the bits of a float32", u)
			return
		}
	}
}
