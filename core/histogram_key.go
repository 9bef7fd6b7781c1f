package core

import (
	"math"
	"math/bits"
)

// A power of two (an octave) has 64 buckets of equal width, which makes the
// midpoint wrong by 1/128 at most. The 52 subnormal octaves count as if they
// were normal. A slot is an octave and a sign; the two signs take turns, so that
// the slots in use lie together also when numbers differ in sign. Zero has no slot.
const (
	histSubBits = 6
	histSubs    = 1 << histSubBits
	histOctaves = 2046 + 52 // per sign
	histSlots   = 2 * histOctaves

	// The octave of biased exponent 1, the first normal one, is number 52.
	histNormal = 51 * histSubs
	// Bits of a mantissa below the bucket's.
	histRestBits = 52 - histSubBits
)

// histKey returns the slot and the place in it of a finite number other than 0.
// Magnitudes ascend with both; positive numbers have odd slots.
func histKey(v float64) (slot, sub uint32) {
	word := math.Float64bits(v)
	mag := word &^ (1 << 63)
	var key uint32
	if mag >= 1<<52 {
		key = uint32(mag>>histRestBits) + histNormal
	} else {
		shift := bits.LeadingZeros64(mag) - 11 // moves the leading one where a normal number implies it
		key = uint32(mag<<shift>>histRestBits) + histNormal - uint32(shift)*histSubs
	}
	return key>>histSubBits<<1 | uint32(^word>>63), key % histSubs
}

// histValue returns the middle of a bucket.
func histValue(slot, sub uint32) float64 {
	middle := histMiddle(slot>>1, sub)
	if slot&1 == 0 {
		return -middle
	}
	return middle
}

func histMiddle(octave, sub uint32) float64 {
	if octave > 51 {
		key := octave<<histSubBits + sub - histNormal
		return math.Float64frombits(uint64(key)<<histRestBits | 1<<(histRestBits-1))
	}
	mantissa := uint64(histSubs | sub)
	if octave <= histSubBits { // at most one number per bucket
		return math.Float64frombits(mantissa >> (histSubBits - octave))
	}
	width := octave - histSubBits
	return math.Float64frombits(mantissa<<width | 1<<(width-1))
}
