package snapshot

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// A group of whole numbers begins with a byte that says how they are written: in its low half in how many bytes each, or
// 0 for varints; and whether the numbers are differences to the number before. All arithmetic is modulo 2^64.
const (
	intsVarint = 0
	intsWidth  = 0x0f
	intsDelta  = 0x10
)

// A packing is how to write a group.
type packing struct {
	way    byte  // intsDelta, or 0
	width  int   // bytes, or intsVarint
	base   int64 // what is written is by how much numbers, or differences, are above it
	before int64 // number before the first
}

// appendInts writes a group of at least one number.
func appendInts(dst []byte, v []int64) []byte {
	p, low, high := guess(v)
	dst = slices.Grow(dst, 1+(2+len(v))*binary.MaxVarintLen64)
	if p.choose(v, low, high); p.width != intsVarint {
		spare := ^uint64(0)>>(64-8*p.width) - uint64(high-low)
		p.base -= int64(spare / 2) // room on both sides for what the sample does not show
		if b, ok := p.fixed(p.head(dst), v); ok {
			return b
		}
	}
	low, high = p.bounds(v)
	if p.choose(v, low, high); p.width == intsVarint {
		return p.varints(p.head(dst), v)
	}
	dst, _ = p.fixed(p.head(dst), v)
	return dst
}

// intsSample is how many numbers of a group are looked at to decide how to write it, about.
const intsSample = 32

func sampleStep(v []int64) int { return 1 + len(v)/intsSample }

// guess finds out by a sample whether differences are smaller than the numbers, and returns the bounds of the smaller ones.
func guess(v []int64) (p packing, low, high int64) {
	if len(v) == 1 {
		return p, v[0], v[0]
	}
	low, high = v[1], v[1]
	least, most := v[1]-v[0], v[1]-v[0]
	for i := 1; i < len(v); i += sampleStep(v) {
		x, d := v[i], v[i]-v[i-1]
		low, high, least, most = min(low, x), max(high, x), min(least, d), max(most, d)
	}
	numbers, differences := 0, 0
	for i := 1; i < len(v); i += sampleStep(v) {
		numbers += bits.Len64(uint64(v[i] - low))
		differences += bits.Len64(uint64(v[i] - v[i-1] - least))
	}
	if differences < numbers {
		p.way, p.before = intsDelta, v[0]-(v[1]-v[0]) // so the first difference is like the second
		low, high = least, most
	}
	return p, low, high
}

// choose takes varints if a sample says that most numbers are much smaller than the greatest.
func (p *packing) choose(v []int64, low, high int64) {
	p.base, p.width = low, (bits.Len64(uint64(high-low)|1)+7)/8
	mask, fixed, varints := p.mask(), 0, 0
	for i := 1; i < len(v); i += sampleStep(v) {
		fixed += p.width
		varints += (bits.Len64(uint64(v[i]-v[i-1]&mask-low)|1) + 6) / 7
	}
	if varints < fixed-fixed/4 {
		p.width = intsVarint
	}
}

// mask is what a number before is multiplied with.
func (p *packing) mask() int64 { return -int64(p.way / intsDelta) }

func (p *packing) bounds(v []int64) (low, high int64) {
	last, mask := p.before, p.mask()
	low = v[0] - last&mask
	high = low
	for _, x := range v {
		d := x - last&mask
		low, high, last = min(low, d), max(high, d), x
	}
	return low, high
}

func (p *packing) head(dst []byte) []byte {
	dst = binary.AppendVarint(append(dst, p.way|byte(p.width)), p.base)
	if p.way == intsDelta {
		dst = binary.AppendVarint(dst, p.before)
	}
	return dst
}

func (p *packing) varints(dst []byte, v []int64) []byte {
	last, mask := p.before, p.mask()
	at := len(dst)
	dst = dst[:cap(dst)]
	for _, x := range v {
		at += binary.PutUvarint(dst[at:], uint64(x-last&mask-p.base))
		last = x
	}
	return dst[:at]
}

// fixed is not ok if a number does not fit. It writes eight bytes at a time as long as there is room.
func (p *packing) fixed(dst []byte, v []int64) (_ []byte, ok bool) {
	last, mask, base, width := p.before, p.mask(), p.base, p.width
	all, end := uint64(0), len(dst)+width*len(v)
	out := dst[len(dst):cap(dst)]
	switch width {
	case 1:
		out := out[:len(v)]
		for i, x := range v {
			u := uint64(x - last&mask - base)
			all, last, out[i] = all|u, x, byte(u)
		}
	case 2:
		for len(v) >= 4 && len(out) >= 8 {
			a, b, c, d := v[0], v[1], v[2], v[3]
			s, t, u, w := uint64(a-last&mask-base), uint64(b-a&mask-base), uint64(c-b&mask-base), uint64(d-c&mask-base)
			binary.LittleEndian.PutUint64(out, s|t<<16|u<<32|w<<48)
			all, last, v, out = all|s|t|u|w, d, v[4:], out[8:]
		}
		fallthrough
	default:
		for _, x := range v {
			u := uint64(x - last&mask - base)
			binary.LittleEndian.PutUint64(out, u) // the next number covers what is too much
			all, last, out = all|u, x, out[width:]
		}
	}
	return dst[:end], all>>(8*width) == 0
}

// readInts reads a group of numbers.
func readInts(r *reader, v []int64) {
	way := r.byte()
	width := int(way & intsWidth)
	if width > 8 || way > intsDelta|8 {
		r.fail("way %d to write numbers", way)
	}
	low, before := r.varint(), int64(0)
	if way >= intsDelta {
		before = r.varint()
	}
	if width == intsVarint {
		r.uvarints(v, low)
	} else {
		r.fixed(v, low, width)
	}
	if way >= intsDelta {
		for i, x := range v {
			before += x
			v[i] = before
		}
	}
}

// uvarints reads numbers that are written as what they are above low.
func (r *reader) uvarints(v []int64, low int64) {
	src := r.rest
	for i := range v {
		var u uint64
		n := 1
		if len(src) > 0 && src[0] < 0x80 {
			u = uint64(src[0])
		} else if u, n = binary.Uvarint(src); n <= 0 || src[n-1] == 0 {
			r.fail("malformed number")
			return
		}
		v[i], src = low+int64(u), src[n:]
	}
	r.rest = src
}

// fixed reads numbers of width bytes, 1 to 8.
func (r *reader) fixed(v []int64, low int64, width int) {
	src := r.bytes(len(v) * width)
	if src == nil {
		return
	}
	mask := ^uint64(0) >> (64 - 8*width)
	i := 0
	for ; len(src) >= 8 && i < len(v); i++ {
		v[i] = low + int64(binary.LittleEndian.Uint64(src)&mask)
		src = src[width:]
	}
	for ; i < len(v); i++ { // the last ones have less than eight bytes before them
		var b [8]byte
		copy(b[:], src[:width])
		v[i] = low + int64(binary.LittleEndian.Uint64(b[:]))
		src = src[width:]
	}
}
