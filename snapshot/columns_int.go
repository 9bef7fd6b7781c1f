package snapshot

import (
	"encoding/binary"
	"slices"
)

// Integer is any integer type.
type Integer interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr
}

// IntColumn is a column for a field of any integer type.
func IntColumn[E any, N Integer](field func(*E) *N) Column[E] {
	if field == nil {
		return Column[E]{}
	}
	return Column[E]{intColumn[E, N]{field}}
}

type intColumn[E any, N Integer] struct{ field func(*E) *N }

func (c intColumn[E, N]) kind() string { return "int" }

func (c intColumn[E, N]) write(dst []byte, events []E) ([]byte, error) {
	var group [groupSize]int64
	for len(events) > 0 {
		n := min(len(events), groupSize)
		for i := range events[:n] {
			group[i] = int64(*c.field(&events[i]))
		}
		dst = appendInts(dst, group[:n])
		events = events[n:]
	}
	return dst, nil
}

func (c intColumn[E, N]) read(r *reader, events []E) {
	var group [groupSize]int64
	for len(events) > 0 && r.err == nil {
		n := min(len(events), groupSize)
		readInts(r, group[:n])
		for i, v := range group[:n] {
			x := N(v)
			if int64(x) != v {
				r.fail("%d does not fit the field", v)
				return
			}
			*c.field(&events[i]) = x
		}
		events = events[n:]
	}
}

// groupSize is how many values are written in one way: it may change from group to group.
const groupSize = 1024

// Ways to write a group of whole numbers, each as varints in zigzag.
const (
	intsPlain  = 0 // the numbers
	intsDelta  = 1 // differences to the number before, the first to 0
	intsSecond = 2 // differences of these differences
)

// appendInts writes a group in the way that a sample of it says is shortest. All arithmetic is modulo 2^64.
func appendInts(dst []byte, v []int64) []byte {
	way := shortest(v)
	dst = append(slices.Grow(dst, 1+len(v)*binary.MaxVarintLen64), way)
	at := len(dst)
	dst = dst[:at+len(v)*binary.MaxVarintLen64]
	var last, step int64
	for _, x := range v {
		y := x
		if way != intsPlain {
			y, last = x-last, x
		}
		if way == intsSecond {
			y, step = y-step, y
		}
		u := uint64(y)<<1 ^ uint64(y>>63)
		for u >= 0x80 {
			dst[at] = byte(u) | 0x80
			u >>= 7
			at++
		}
		dst[at] = byte(u)
		at++
	}
	return dst[:at]
}

func shortest(v []int64) byte {
	var sizes [3]int
	for i := 2; i < len(v); i += 1 + len(v)/64 {
		first, second := v[i]-v[i-1], v[i-1]-v[i-2]
		for way, x := range [3]int64{v[i], first, first - second} {
			sizes[way] += zigzagLen(x)
		}
	}
	way := intsPlain
	for i, n := range sizes {
		if n < sizes[way] {
			way = i
		}
	}
	return byte(way)
}

func zigzagLen(x int64) int {
	n := 1
	for u := uint64(x)<<1 ^ uint64(x>>63); u >= 0x80; u >>= 7 {
		n++
	}
	return n
}

func readInts(r *reader, v []int64) {
	way := r.byte()
	if way > intsSecond {
		r.fail("way %d to write numbers", way)
	}
	if r.err != nil {
		return
	}
	var last, step int64
	src := r.rest
	for i := range v {
		var u uint64
		n := 1
		if len(src) > 0 && src[0] < 0x80 {
			u = uint64(src[0])
		} else if u, n = binary.Uvarint(src); n <= 0 {
			r.fail("malformed number")
			return
		}
		src = src[n:]
		x := int64(u>>1) ^ -int64(u&1)
		if way == intsSecond {
			step += x
			x = step
		}
		if way != intsPlain {
			last += x
			x = last
		}
		v[i] = x
	}
	r.rest = src
}
