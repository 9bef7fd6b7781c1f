package window

import "math/bits"

// marks is a set of the records of one run, which has at most 1,024 of them.
type marks [chunkSize / 64]uint64

func (m *marks) set(i int)      { m[i>>6] |= 1 << (i & 63) }
func (m *marks) has(i int) bool { return m[i>>6]&(1<<(i&63)) != 0 }
func (m *marks) clear(i int)    { m[i>>6] &^= 1 << (i & 63) }

// fill marks the first n records.
func (m *marks) fill(n int) {
	for k := range m {
		switch {
		case n >= 64*(k+1):
			m[k] = ^uint64(0)
		case n > 64*k:
			m[k] = 1<<(n-64*k) - 1
		}
	}
}

// cut keeps records [from, to) and numbers them from 0.
func (m *marks) cut(from, to int) {
	word, shift := from>>6, from&63
	for k := range m {
		var v uint64
		if word+k < len(m) {
			v = m[word+k] >> shift
		}
		if shift > 0 && word+k+1 < len(m) {
			v |= m[word+k+1] << (64 - shift)
		}
		m[k] = v
	}
	var keep marks
	keep.fill(to - from)
	for k := range m {
		m[k] &= keep[k]
	}
}

func (m *marks) count() int {
	n := 0
	for _, word := range m {
		n += bits.OnesCount64(word)
	}
	return n
}

// each calls f with every marked record in ascending order until f returns false, and reports whether it never did.
func (m *marks) each(f func(i int) bool) bool {
	for k, word := range m {
		for ; word != 0; word &= word - 1 {
			if !f(64*k + bits.TrailingZeros64(word)) {
				return false
			}
		}
	}
	return true
}

// list writes the marked records in ascending order and returns how many there are.
func (m *marks) list(slots *[chunkSize]uint16) int {
	n := 0
	for k, word := range m {
		for ; word != 0; word &= word - 1 {
			slots[n] = uint16(k<<6 + bits.TrailingZeros64(word))
			n++
		}
	}
	return n
}

// keepNewest unmarks all but the last n.
func (m *marks) keepNewest(n int) {
	for k := len(m) - 1; k >= 0; k-- {
		here := bits.OnesCount64(m[k])
		for ; here > n; here-- {
			m[k] &= m[k] - 1
		}
		n -= here
	}
}
