//go:build !explore

package core

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// The vectors that come with wyhash: seed = position in the list.
func TestWyhashPublishedVectors(t *testing.T) {
	vectors := []struct {
		text string
		want uint64
	}{
		{"", 0x93228a4de0eec5a2},
		{"a", 0xc5bac3db178713c4},
		{"abc", 0xa97f2f7b1d9b3314},
		{"message digest", 0x786d1f1df3801df4},
		{"abcdefghijklmnopqrstuvwxyz", 0xdca5a8138ad37c87},
		{"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 0xb9e734f117cfaf70},
		{strings.Repeat("1234567890", 8), 0x6cc5eab49a92d617},
	}
	for seed, v := range vectors {
		if got := wyhash(v.text, wySeed(uint64(seed))); got != v.want {
			t.Errorf("seed %d, %q: got %#016x, want %#016x", seed, v.text, got, v.want)
		}
	}
}

// Every branch of the algorithm, seed 0, byte i = i*7+1 and byte i = i: the two
// sequences for which values of the C implementation are public.
func TestHashKeyGolden(t *testing.T) {
	sevens := map[int]uint64{
		0: 0x93228a4de0eec5a2, 1: 0x39a10bde68f15a1b, 3: 0xe9629f9bd9227e63, 4: 0xf61024db5a715a40,
		8: 0xef68240886d19638, 14: 0x419e65d2e78d5560, 16: 0xa9aecb23fb1cb420, 17: 0xdb4098d10618bc3c,
		32: 0x8082521dfb78d6d4, 48: 0xaee015b89490a9c7, 80: 0x601b5b2dafef7258,
	}
	ones := map[int]uint64{
		1: 0x8e6d4af7d310c8c4, 2: 0x5121ba5bc9a828b5, 3: 0x78c4aa0c972a522d, 4: 0xe08aeeb68058fb32,
		5: 0x845a2c5da2318785, 7: 0x094e98feb6055cc6, 8: 0xb4d6ac74d009e1d4, 9: 0xb42922e019b409be,
		15: 0x87edaf96d89a08ef, 16: 0x305fdea0ed4a2619, 17: 0xd29ffdd201a46f9a, 23: 0x735a0e86527147f0,
		31: 0xebc13906e5018315, 32: 0x5b00c06ef7540f8f, 33: 0x5e1a2536ff90cc32, 47: 0xe2cb58f6ab8e4419,
		48: 0xecbfb7ff9e3d9a97, 49: 0x0691f11bac523a91, 63: 0x907220c8cff2e2c7,
	}
	for step, golden := range map[int]map[int]uint64{7: sevens, 1: ones} {
		for n, want := range golden {
			text := make([]byte, n)
			for i := range text {
				text[i] = byte(i*step + step/7)
			}
			if got := hashKey(string(text)); got != want {
				t.Errorf("step %d, %d bytes: got %#016x, want %#016x", step, n, got, want)
			}
		}
	}
	if wySeedZero != wySeed(0) {
		t.Errorf("wySeedZero = %#x, want %#x", wySeedZero, wySeed(0))
	}
}

// Words that only differ where two overlapping reads could miss a byte.
func TestHashKeySeesEveryByte(t *testing.T) {
	for n := 1; n <= 130; n++ {
		text := []byte(strings.Repeat("x", n))
		seen := map[uint64]int{hashKey(string(text)): -1}
		for i := range text {
			text[i] = 'y'
			h := hashKey(string(text))
			text[i] = 'x'
			if j, ok := seen[h]; ok {
				t.Fatalf("length %d: changes at %d and %d give the same hash", n, i, j)
			}
			seen[h] = i
		}
	}
}

func TestPartitionOf(t *testing.T) {
	for _, c := range []struct {
		hash uint64
		n    int
		want int
	}{
		{0, 1, 0},
		{math.MaxUint64, 1, 0},
		{0, 7, 0},
		{math.MaxUint64, 7, 6},
		{1 << 63, 2, 1},
		{1<<63 - 1, 2, 0},
		{1 << 63, 3, 1},
		{math.MaxUint64, math.MaxInt32, math.MaxInt32 - 1},
	} {
		if got := partitionOf(c.hash, c.n); got != c.want {
			t.Errorf("partitionOf(%#x, %d) = %d, want %d", c.hash, c.n, got, c.want)
		}
	}
}

// Names as users write them must spread evenly: each partition's share stays
// within five standard deviations of fair.
func TestPartitionOfSpreadsNames(t *testing.T) {
	const names = 60_000
	for _, format := range []string{"user-%d", "sensor/%06d/temperature", "%d", "%x:eu-west-1:orders:pending:customer"} {
		for _, n := range []int{1, 2, 3, 7, 8, 10, 64, 100} {
			counts := make([]int, n)
			for i := range names {
				p := partitionOf(hashKey(fmt.Sprintf(format, i)), n)
				if p < 0 || p >= n {
					t.Fatalf("partition %d of %d", p, n)
				}
				counts[p]++
			}
			fair := float64(names) / float64(n)
			for p, c := range counts {
				if math.Abs(float64(c)-fair) > 5*math.Sqrt(fair) {
					t.Errorf("%s: partition %d of %d has %d names, fair is %.0f", format, p, n, c, fair)
				}
			}
		}
	}
}

var sinkHash uint64

func BenchmarkHashKey(b *testing.B) {
	for _, n := range []int{3, 8, 16, 32, 128} {
		name := strings.Repeat("k", n)
		b.Run(fmt.Sprintf("bytes=%d", n), func(b *testing.B) {
			for b.Loop() {
				sinkHash += hashKey(name)
			}
		})
	}
}

// wySeed is how wyhash starts from a seed; the store uses seed 0 only.
func wySeed(seed uint64) uint64 { return seed ^ wyMix(seed^wySecret0, wySecret1) }
