package core

import "math/bits"

// hashKey decides in which partition a key lives, so its values are part of the
// snapshot format and must never change: same on every run, architecture and
// release. It is wyhash "final version 4.3" (Wang Yi, public domain,
// github.com/wangyi-fudan/wyhash) with seed 0 and the default secret, written
// anew from its definition; hash_test.go checks it against published vectors.
//
// It is not keyed: whoever chooses keys can aim at one partition. Tables that
// must withstand that use hash/maphash (see Keys).
func hashKey(s string) uint64 { return wyhash(s, wySeedZero) }

// partitionOf maps a hash to 0..n-1 for n >= 1. It takes the high bits of
// hash*n, so no n is favoured: shares differ by less than n/2^64.
func partitionOf(hash uint64, n int) int {
	hi, _ := bits.Mul64(hash, uint64(n))
	return int(hi)
}

const (
	wySecret0 = 0x2d358dccaa6c78a5
	wySecret1 = 0x8bb84b93962eacc9
	wySecret2 = 0x4b33a62ed433d4a3
	wySecret3 = 0x4d5a2da51de1aa47

	// wySeedZero is wySeed(0), worked out by the compiler.
	wySeedZero uint64 = wySecret0*wySecret1>>64 ^ wySecret0*wySecret1&(1<<64-1)
)

// wySeed turns a seed into the state that wyhash begins with.
func wyMix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// wyhash hashes s from a state prepared by wySeed.
func wyhash(s string, seed uint64) uint64 {
	n := len(s)
	var a, b uint64
	switch {
	case n > 16:
		a, b, seed = wyLong(s, seed)
	case n >= 4:
		mid := n >> 3 << 2
		a = le32(s)<<32 | le32(s[mid:])
		b = le32(s[n-4:])<<32 | le32(s[n-4-mid:])
	case n > 0:
		a = uint64(s[0])<<16 | uint64(s[n>>1])<<8 | uint64(s[n-1])
	}
	hi, lo := bits.Mul64(a^wySecret1, b^seed)
	return wyMix(lo^wySecret0^uint64(n), hi^wySecret1)
}

// wyLong consumes all but the last 1..16 bytes and returns the last two words
// of s, which overlap what was consumed, and the new state.
func wyLong(s string, seed uint64) (a, b, state uint64) {
	rest := s
	if len(rest) >= 48 {
		seed1, seed2 := seed, seed
		for len(rest) >= 48 {
			seed = wyMix(le64(rest)^wySecret1, le64(rest[8:])^seed)
			seed1 = wyMix(le64(rest[16:])^wySecret2, le64(rest[24:])^seed1)
			seed2 = wyMix(le64(rest[32:])^wySecret3, le64(rest[40:])^seed2)
			rest = rest[48:]
		}
		seed ^= seed1 ^ seed2
	}
	for len(rest) > 16 {
		seed = wyMix(le64(rest)^wySecret1, le64(rest[8:])^seed)
		rest = rest[16:]
	}
	return le64(s[len(s)-16:]), le64(s[len(s)-8:]), seed
}

// le32 and le64 spell out little-endian loads that the compiler turns into one
// instruction; encoding/binary has them for bytes only.
func le32(s string) uint64 {
	_ = s[3]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24
}

func le64(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}
