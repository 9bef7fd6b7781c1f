//go:build !explore

package core

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

func mustKeys(t testing.TB, limit int, names ...string) *Keys {
	t.Helper()
	k, err := NewKeys(limit, names...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// checkKeys compares every lookup with the list of names in order.
func checkKeys(t *testing.T, k *Keys, names []string) {
	t.Helper()
	if k.Len() != len(names) || !slices.Equal(k.Names(), names) {
		t.Fatalf("names %q (%d), want %q", k.Names(), k.Len(), names)
	}
	for i, name := range names {
		id := KeyID(i + 1)
		if got, ok := k.ID(name); !ok || got != id {
			t.Fatalf("ID(%q) = %d, %v, want %d", name, got, ok, id)
		}
		if got, ok := k.Name(id); !ok || got != name {
			t.Fatalf("Name(%d) = %q, %v, want %q", id, got, ok, name)
		}
	}
	for _, id := range []KeyID{0, KeyID(len(names) + 1), 1<<32 - 1} {
		if name, ok := k.Name(id); ok || name != "" {
			t.Fatalf("Name(%d) = %q, %v", id, name, ok)
		}
	}
}

func TestKeysNumberNamesInOrder(t *testing.T) {
	k := mustKeys(t, 100)
	checkKeys(t, k, nil)
	for _, c := range []struct {
		name string
		want KeyID
	}{
		{"b", 1}, {"a", 2}, {"b", 1}, {"B", 3}, {"", 4}, {"a", 2}, {"\x00", 5}, {"", 4}, {"ä", 6}, {strings.Repeat("x", 1000), 7},
	} {
		if _, known := k.ID(c.name); known != (int(c.want) <= k.Len()) {
			t.Errorf("%q known: %v", c.name, known)
		}
		if got, err := k.Intern(c.name); err != nil || got != c.want {
			t.Errorf("Intern(%q) = %d, %v, want %d", c.name, got, err, c.want)
		}
	}
	checkKeys(t, k, []string{"b", "a", "B", "", "\x00", "ä", strings.Repeat("x", 1000)})
	if id, ok := k.ID("unknown"); ok || id != 0 {
		t.Errorf("ID of an unknown name = %d, %v", id, ok)
	}
}

func TestKeysFull(t *testing.T) {
	k := mustKeys(t, 2, "a")
	if k.Max() != 2 {
		t.Errorf("Max = %d", k.Max())
	}
	for i, c := range []struct {
		name string
		want KeyID
		err  error
	}{
		{"b", 2, nil}, {"c", 0, ErrKeysFull}, {"a", 1, nil}, {"", 0, ErrKeysFull}, {"b", 2, nil},
	} {
		if got, err := k.Intern(c.name); got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%d: Intern(%q) = %d, %v", i, c.name, got, err)
		}
	}
	checkKeys(t, k, []string{"a", "b"})
	if k.Refused() != 2 {
		t.Errorf("refused %d, want 2", k.Refused())
	}
	k.Clear()
	if id, err := k.Intern("c"); id != 1 || err != nil {
		t.Errorf("after Clear: %d, %v", id, err)
	}
	if k.Refused() != 2 {
		t.Errorf("Clear changed the refusals to %d", k.Refused())
	}
}

func TestKeysClear(t *testing.T) {
	k := mustKeys(t, 50)
	for round := range 5 {
		if k.Version() != uint64(round) {
			t.Errorf("round %d: version %d", round, k.Version())
		}
		var names []string
		for i := range 40 {
			names = append(names, fmt.Sprint("round ", round, " name ", i))
			if _, err := k.Intern(names[i]); err != nil {
				t.Fatal(err)
			}
		}
		if k.Version() != uint64(round) {
			t.Errorf("round %d: interning changed the version to %d", round, k.Version())
		}
		checkKeys(t, k, names)
		k.Clear()
		checkKeys(t, k, nil)
		if _, ok := k.ID(names[0]); ok {
			t.Error("a name has survived Clear")
		}
	}
}

func TestNewKeysErrors(t *testing.T) {
	checkKeys(t, mustKeys(t, 3, "x", "", "X"), []string{"x", "", "X"})
	for _, c := range []struct {
		limit int
		names []string
		full  bool
		text  string
	}{
		{0, nil, false, "0 is no limit"},
		{-1, nil, false, "-1 is no limit"},
		{5, []string{"a", "b", "a"}, false, `"a" is listed as 1 and 3`},
		{5, []string{"", ""}, false, `"" is listed as 1 and 2`},
		{1, []string{"a", "b"}, true, "2 names given, the limit is 1"},
	} {
		k, err := NewKeys(c.limit, c.names...)
		if k != nil || err == nil || errors.Is(err, ErrKeysFull) != c.full || errors.Is(err, ErrArgument) == c.full || !strings.Contains(err.Error(), c.text) {
			t.Errorf("NewKeys(%d, %q) = %v, %v", c.limit, c.names, k, err)
		}
	}
}

func TestKeysZeroValue(t *testing.T) {
	var k Keys
	k.Clear()
	checkKeys(t, &k, nil)
	if _, err := k.Intern("a"); !errors.Is(err, ErrKeysFull) || k.Refused() != 1 || k.Version() != 0 {
		t.Errorf("%v, refused %d, version %d", err, k.Refused(), k.Version())
	}
	if _, ok := k.ID("a"); ok {
		t.Error("a name is known")
	}
}

// A name whose insertion has not reached its last step is not there for anybody.
func TestKeysInsertionIsOneStep(t *testing.T) {
	k := mustKeys(t, 5, "a", "b")
	k.table.Load().count.Store(1) // as it was just before "b" was finished
	if id, ok := k.ID("b"); ok || id != 0 {
		t.Errorf("ID = %d, %v", id, ok)
	}
	if name, ok := k.Name(2); ok {
		t.Errorf("Name = %q", name)
	}
	checkKeys(t, k, []string{"a"})
}

// The list that Names returns, and the one that NewKeys gets, are the caller's.
func TestKeysSharesNoSlices(t *testing.T) {
	given := []string{"a", "b"}
	k := mustKeys(t, 5, given...)
	given[0] = "z"
	k.Names()[1] = "z"
	checkKeys(t, k, []string{"a", "b"})
}

// A name cut out of a big buffer must not keep the buffer alive.
func TestKeysCloneNames(t *testing.T) {
	const size, count = 1 << 20, 32
	k := mustKeys(t, count)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range count {
		buffer := strings.Repeat(fmt.Sprintf("%08d", i), size/8)
		if _, err := k.Intern(buffer[:8]); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > size*count/4 {
		t.Errorf("%d bytes are still in use", grown)
	}
	runtime.KeepAlive(k)
}

func TestKeysAgainstMap(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 30 {
		limit := 1 + r.IntN(500)
		k := mustKeys(t, limit)
		var names []string
		ids := map[string]KeyID{}
		refused := uint64(0)
		for range 3000 {
			if r.IntN(1500) == 0 {
				k.Clear()
				names, ids = nil, map[string]KeyID{}
			}
			name := fmt.Sprint(r.IntN(limit * 2))
			want, known := ids[name]
			if got, ok := k.ID(name); got != want || ok != known {
				t.Fatalf("ID(%q) = %d, %v, want %d, %v", name, got, ok, want, known)
			}
			if r.IntN(2) == 0 {
				continue
			}
			full := !known && len(names) == limit
			if full {
				refused++
			} else if !known {
				names = append(names, name)
				want = KeyID(len(names))
				ids[name] = want
			}
			if got, err := k.Intern(name); got != want || (err != nil) != full {
				t.Fatalf("Intern(%q) = %d, %v, want %d", name, got, err, want)
			}
		}
		checkKeys(t, k, names)
		if k.Refused() != refused {
			t.Fatalf("refused %d, want %d", k.Refused(), refused)
		}
	}
}

// Writers race for the same names while readers look: every name gets one
// number, numbers are dense, each is first seen in order, and what a reader has
// once seen stays true.
func TestKeysConcurrentSafe(t *testing.T) {
	const limit, writers, names = 700, 4, 1000
	k := mustKeys(t, limit)
	ids := make([][]KeyID, writers)
	var writing, reading sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		reading.Go(func() {
			for last := 0; ; {
				n := k.Len()
				list := k.Names()
				if n < last || len(list) < n {
					t.Errorf("%d names after %d, then a list of %d", n, last, len(list))
				}
				last = n
				for _, i := range []int{len(list) - 1, n / 2} {
					if i < 0 || i >= len(list) {
						continue
					}
					id, ok := k.ID(list[i])
					name, found := k.Name(KeyID(i + 1))
					if !ok || id != KeyID(i+1) || !found || name != list[i] {
						t.Errorf("number %d: %q is %d %v, name %q %v", i+1, list[i], id, ok, name, found)
					}
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for w := range writers {
		ids[w] = make([]KeyID, names)
		writing.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 9))
			for _, i := range r.Perm(names) {
				id, err := k.Intern(fmt.Sprint("name ", i))
				if (err == nil) != (id != 0) || err != nil && !errors.Is(err, ErrKeysFull) {
					t.Errorf("name %d: %d, %v", i, id, err)
				}
				if id != 0 && k.Len() < int(id) {
					t.Errorf("number %d was given, but there are %d names", id, k.Len())
				}
				ids[w][i] = id
			}
		})
	}
	writing.Wait()
	close(done)
	reading.Wait()
	checkKeys(t, k, k.Names())
	refused := uint64(0)
	for i := range names {
		id, known := k.ID(fmt.Sprint("name ", i))
		for w := range writers {
			if got := ids[w][i]; got == 0 {
				refused++
			} else if !known || got != id {
				t.Errorf("name %d is %d for writer %d and %d at the end", i, got, w, id)
			}
		}
	}
	if k.Len() != limit || k.Refused() != refused {
		t.Errorf("%d names and %d refusals, want %d and %d", k.Len(), k.Refused(), limit, refused)
	}
}

// Clear against Intern: numbers stay dense within whatever version is current.
func TestKeysClearConcurrentSafe(t *testing.T) {
	const limit, clears = 100, 200
	k := mustKeys(t, limit)
	var writers sync.WaitGroup
	done := make(chan struct{})
	for w := range 3 {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 5))
			for {
				select {
				case <-done:
					return
				default:
				}
				if id, err := k.Intern(fmt.Sprint(r.IntN(limit))); err != nil || id == 0 || id > limit {
					t.Errorf("%d, %v", id, err)
					return
				}
			}
		})
	}
	for range clears {
		list := k.Names()
		slices.Sort(list)
		if n := len(slices.Compact(list)); n != len(list) || n > limit {
			t.Errorf("%d names, %d of them different", len(list), n)
		}
		k.Clear()
	}
	close(done)
	writers.Wait()
	checkKeys(t, k, k.Names())
	if k.Version() != clears {
		t.Errorf("version %d after %d times Clear", k.Version(), clears)
	}
}

func TestKeysLookupsDoNotAllocate(t *testing.T) {
	k := mustKeys(t, 1, "customer-0000001")
	if n := testing.AllocsPerRun(100, func() {
		_, _ = k.Intern("customer-0000001") // known
		_, _ = k.Intern("another")          // refused
		k.ID("another")
		k.Name(1)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkKeys(b *testing.B) {
	for _, count := range []int{64, 10_000} {
		names := make([]string, count)
		for i := range names {
			names[i] = fmt.Sprintf("customer-%07d", i)
		}
		k := mustKeys(b, count, names...)
		b.Run(fmt.Sprintf("names=%d/ID", count), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				if i == count {
					i = 0
				}
				k.ID(names[i])
			}
		})
		b.Run(fmt.Sprintf("names=%d/Intern", count), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				if i == count {
					i = 0
				}
				if _, err := k.Intern(names[i]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("New=1000", func(b *testing.B) {
		names := make([]string, 1000)
		for i := range names {
			names[i] = fmt.Sprintf("customer-%07d", i)
		}
		for b.Loop() {
			k := mustKeys(b, 1000)
			for _, name := range names {
				_, _ = k.Intern(name)
			}
		}
	})
}
