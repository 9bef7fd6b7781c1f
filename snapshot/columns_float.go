package snapshot

import (
	"encoding/binary"
	"math"
)

// FloatColumn is a column for a floating-point field. Every value comes back as it was; of a NaN, that it is one.
func FloatColumn[E any, F ~float32 | ~float64](field func(*E) *F) Column[E] {
	if field == nil {
		return Column[E]{}
	}
	return Column[E]{floatColumn[E, F]{field}}
}

type floatColumn[E any, F ~float32 | ~float64] struct{ field func(*E) *F }

func (c floatColumn[E, F]) kind() string { return "float" }

// Ways to write a group of floating-point numbers: as their bits, or as whole numbers to be divided by a power of ten.
const (
	floatsBits     = 255
	maxDecimals    = 6
	exactIntegers  = 1 << 53
	decimalsSample = 16
)

var powersOfTen = [maxDecimals + 1]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6}

func (c floatColumn[E, F]) write(dst []byte, events []E) ([]byte, error) {
	var group [groupSize]float64
	var ints [groupSize]int64
	for len(events) > 0 {
		n := min(len(events), groupSize)
		for i := range events[:n] {
			group[i] = float64(*c.field(&events[i]))
		}
		if decimals, ok := whole(group[:n], ints[:n]); ok {
			dst = appendInts(append(dst, decimals), ints[:n])
		} else {
			dst = append(dst, floatsBits)
			for i := range events[:n] {
				dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(group[i]))
			}
		}
		events = events[n:]
	}
	return dst, nil
}

// whole turns v into whole numbers of the fewest decimals that a sample needs. Not ok unless all of them come back the
// same.
func whole(v []float64, ints []int64) (decimals byte, ok bool) {
	for ; decimals <= maxDecimals; decimals++ {
		for i := 0; ; i += 1 + len(v)/decimalsSample {
			if i >= len(v) {
				return decimals, scale(v, ints, powersOfTen[decimals])
			}
			if !scale(v[i:i+1], ints[i:i+1], powersOfTen[decimals]) {
				break
			}
		}
	}
	return 0, false
}

func scale(v []float64, ints []int64, power float64) bool {
	for i, x := range v {
		y := x * power
		if !(math.Abs(y) < exactIntegers) {
			return false
		}
		k := int64(math.Floor(y + 0.5))
		if back := float64(k) / power; back != x || k == 0 && math.Signbit(x) {
			return false
		}
		ints[i] = k
	}
	return true
}

func (c floatColumn[E, F]) read(r *reader, events []E) {
	var ints [groupSize]int64
	for len(events) > 0 && r.err == nil {
		n := min(len(events), groupSize)
		switch decimals := r.byte(); {
		case r.err != nil:
		case decimals == floatsBits:
			c.readBits(r, events[:n])
		case decimals <= maxDecimals:
			readInts(r, ints[:n])
			for i, k := range ints[:n] {
				*c.field(&events[i]) = F(float64(k) / powersOfTen[decimals])
			}
		default:
			r.fail("%d decimals", decimals)
		}
		events = events[n:]
	}
}

func (c floatColumn[E, F]) readBits(r *reader, events []E) {
	b := r.bytes(8 * len(events))
	for i := 0; i < len(events) && b != nil; i++ {
		u := binary.LittleEndian.Uint64(b[8*i:])
		*c.field(&events[i]) = F(math.Float64frombits(u))
	}
}
