package window

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

func TestSignalCase01_SensePattern(t *testing.T) {
	c := newClock()
	w := open(t, Options{Clock: c.now})
	raise(t, w, "order.completed", "user.login", "order.failed")
	want := []Signal{
		{Sequence: 1, Time: noon, Name: "order.completed", Key: "k"},
		{Sequence: 3, Time: noon, Name: "order.failed", Key: "k"},
	}
	equal(t, "order.*", sense(t, w, "order.*"), want)
}

func TestSignalCase02_NoPattern(t *testing.T) {
	w := open(t, manual(memory(t)))
	raise(t, w, "a", "b", "window.raise")
	flush(t, w)
	equal(t, "everything", names(sense(t, w, "")), []string{"a", "b", "window.raise"})
	equal(t, "blanks", len(sense(t, w, "  ")), 3)
	if len(told(t, w, "window.initialized")) != 1 || len(told(t, w, "window.flush.*")) != 2 {
		t.Errorf("diagnostics: %v", told(t, w, ""))
	}
}

func TestSignalCase03_CapacityIsExact(t *testing.T) {
	w := open(t, Options{})
	raiseMany(t, w, DefaultCapacity)
	equal(t, "at capacity", w.Len(), DefaultCapacity)
	raise(t, w, "one.more")
	list := sense(t, w, "")
	if len(list) != DefaultCapacity || list[0].Sequence != 2 || list[len(list)-1].Name != "one.more" {
		t.Errorf("%d signals from %d", len(list), list[0].Sequence)
	}
}

func TestSignalCase04_CapacityUnderWriters(t *testing.T) {
	const capacity, writers = 1000, 16
	w := open(t, Options{Capacity: capacity})
	each := pick(625_000, 10_000)
	var group sync.WaitGroup
	for g := range writers {
		group.Go(func() {
			n, err := w.Intern(fmt.Sprint("w", g))
			for range each {
				if _, e := n.Raise(""); e != nil || err != nil {
					t.Error(e, err)
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { group.Wait(); close(done) }()
	for looks := 0; ; looks++ {
		if n := w.Len(); n > capacity {
			t.Fatalf("%d visible", n)
		}
		select {
		case <-done:
			s := balanced(t, w)
			if s.Raised != uint64(writers*each) || s.Visible != capacity || s.Expired != 0 {
				t.Errorf("after %d looks: %+v", looks, s)
			}
			return
		default:
			runtime.Gosched()
		}
	}
}

func TestSignalCase05_NothingIsDroppedBelowCapacity(t *testing.T) {
	w := open(t, Options{Capacity: 100})
	for round := range 50 {
		raise(t, w, "keep")
		raiseMany(t, w, 49)
		if n, err := w.Clear("many.*"); n != 49 || err != nil {
			t.Fatalf("round %d: %d cleared, %v", round, n, err)
		}
		if n := len(sense(t, w, "keep")); n != round+1 {
			t.Fatalf("round %d: %d kept", round, n)
		}
	}
	if s := balanced(t, w); s.Discarded != 0 || s.Expired != 0 {
		t.Errorf("%+v", s)
	}
}

func TestSignalCase06_AgeOnEveryRead(t *testing.T) {
	c := newClock()
	w := open(t, Options{Clock: c.now, MaxAge: time.Minute})
	raise(t, w, "a")
	c.advance(time.Minute)
	equal(t, "at the limit", w.Len(), 1)
	c.advance(1)
	if n, _ := w.Count("a", time.Hour); n != 0 || w.Len() != 0 {
		t.Errorf("%d counted", n)
	}
	if ok, _ := w.Any("*", Forever); ok {
		t.Error("an expired signal is found")
	}
	if _, ok, _ := w.Last("a"); ok {
		t.Error("an expired signal is the last")
	}
	equal(t, "expired", balanced(t, w).Expired, uint64(1))
}

func TestSignalCase07_OwnTime(t *testing.T) {
	c := newClock()
	w := open(t, Options{Clock: c.now, MaxAge: time.Minute})
	for _, s := range []Signal{
		{Name: "future", Time: noon.Add(time.Hour)},
		{Name: "old", Time: noon.Add(-2 * time.Minute)},
		{Name: "now"},
		{Name: "ancient", Time: time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC)},
		{Name: "far", Time: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)},
	} {
		if _, err := w.RaiseSignal(s); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "young", names(sense(t, w, "")), []string{"future", "now", "far"})
	c.advance(30 * time.Minute)
	equal(t, "later", names(sense(t, w, "")), []string{"future", "far"})
	s := balanced(t, w)
	equal(t, "expired", s.Expired, uint64(3))
}

func TestSignalCase08_Patterns(t *testing.T) {
	for _, x := range []struct {
		pattern, yes, no string
	}{
		{"order.*", "order.|order.a|order.a.b", "order|orders.a|Order.a"},
		{"a.*.c", "a.b.c|a..c|a.b.b.c", "a.c|a.b.d"},
		{"*", "*abc|x|:", ""},
		{"**", "*abc|x", ""},
		{"a*c", "a*bc|ac|abc", "ab|ca"},
		{"error*", "error*:x|error", "terror"},
		{"a?c", "abc|a?c|aüc|a界c", "ac|abbc"},
		{"?", "x|界", "xy"},
		{"*?", "x|xy", ""},
		{"a.*,b.*", "a.x|b.y", "c.z|a"},
		{" a , ,b ", "a|b", "a,b"},
		{"*a?c*e", "abcde|xxaacaace", "abce.|ace"},
		{"literal", "literal", "literally|Literal"},
	} {
		w := open(t, Options{})
		yes := strings.Split(x.yes, "|")
		raise(t, w, yes...)
		if x.no != "" {
			raise(t, w, strings.Split(x.no, "|")...)
		}
		equal(t, x.pattern, names(sense(t, w, x.pattern)), yes)
	}
	w := open(t, Options{})
	raise(t, w, "a")
	for _, bad := range []string{",", " , ,", "a\xff", strings.Repeat("a", MaxPatternBytes+1)} {
		_, err := w.Sense(bad)
		wantError(t, bad[:1], err, ErrPattern)
		if n, err := w.Clear(bad); n != 0 || !errors.Is(err, ErrPattern) {
			t.Errorf("Clear: %d, %v", n, err)
		}
	}
}

// The names of signals are shorter, so the pattern is matched directly.
func TestSignalCase09_HostilePattern(t *testing.T) {
	name := strings.Repeat("a", 10_000)
	for _, pattern := range []string{
		strings.Repeat("*a", 2000) + "b", strings.Repeat("*a?", 2000) + "b", "*" + strings.Repeat("a", 5000) + "b*",
		"*" + strings.Repeat("?a", 2500) + "b*", strings.Repeat("a*", 3000) + "b",
	} {
		globs, err := parse(pattern)
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if globs[0].match(name) {
			t.Errorf("%.20s matches", pattern)
		}
		if d := time.Since(begin); d > 2*time.Second {
			t.Errorf("%.20s took %v", pattern, d)
		}
	}
}

func TestSignalCase10_PredicateSeesASnapshot(t *testing.T) {
	w := open(t, Options{Capacity: 500})
	stop := make(chan struct{})
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_, _ = w.Raise("x", "")
				}
			}
		})
	}
	for i := range pick(500, 50) {
		last := uint64(0)
		list, err := w.SenseFunc(func(s *Signal) bool {
			if last != 0 && s.Sequence != last+1 {
				t.Errorf("%d after %d", s.Sequence, last)
			}
			last = s.Sequence
			return true
		})
		if err != nil || len(list) > 500 {
			t.Fatal(len(list), err)
		}
		if len(list) == 0 {
			continue
		}
		var p *core.PanicError
		_, err = w.SenseFunc(func(*Signal) bool { panic(i) })
		if !errors.As(err, &p) || p.Value != i {
			t.Fatalf("a panic became %v", err)
		}
	}
	close(stop)
	group.Wait()
	if w.store.Ledger().OpenCuts != 0 {
		t.Error("a cut stayed open")
	}
	balanced(t, w)
}

func TestSignalCase11_WholeSignal(t *testing.T) {
	store := memory(t)
	w := open(t, manual(store))
	at := time.Date(2026, 1, 2, 3, 4, 5, 123456789, time.FixedZone("east", 5*3600))
	w.mustAge(t, Forever)
	s := Signal{Name: "a", Key: "k", Operation: math.MaxUint64, Time: at, Path: []string{"x", "y"}, Data: []byte{0, 255}}
	n, err := w.RaiseSignal(s)
	if err != nil {
		t.Fatal(err)
	}
	s.Path[0], s.Data[0] = "changed", 7
	want := Signal{Sequence: n, Name: "a", Key: "k", Operation: math.MaxUint64, Time: at.UTC(), Path: []string{"x", "y"}, Data: []byte{0, 255}}
	equal(t, "in memory", sense(t, w, "a"), []Signal{want})
	if want.Depth() != 2 || !want.WouldCycle("x") || !want.WouldCycle("a") || want.WouldCycle("z") {
		t.Error("depth or cycle")
	}
	flush(t, w)
	again := open(t, manual(store))
	again.mustAge(t, Forever)
	load(t, again, LoadOptions{})
	want.Restored = true
	equal(t, "restored", sense(t, again, "a"), []Signal{want})
}

func (w *Window) mustAge(t testing.TB, d time.Duration) {
	t.Helper()
	if err := w.SetMaxAge(d); err != nil {
		t.Fatal(err)
	}
}

func TestSignalCase12_BadSignals(t *testing.T) {
	store := memory(t)
	w := open(t, manual(store))
	long := strings.Repeat("x", 1<<20+1)
	bad := []Signal{
		{},
		{Name: "\x00"},
		{Name: "a\xff"},
		{Name: long[:1025]},
		{Name: "a", Key: long[:4097]},
		{Name: "a", Key: "a\x00"},
		{Name: "a", Key: "12345678\xff"},
		{Name: "a", Key: "1234567\x00"},
		{Name: "a", Data: []byte(long)},
		{Name: "a", Path: make([]string, 65)},
		{Name: "a", Path: []string{""}},
		{Name: "a", Time: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
		{Name: "a", Time: time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)},
	}
	for i, s := range bad {
		_, err := w.RaiseSignal(s)
		wantError(t, fmt.Sprint("signal ", i), err, ErrInvalid)
		n, err := w.RaiseBatch([]Signal{{Name: "fine"}, s})
		wantError(t, fmt.Sprint("batch ", i), err, ErrInvalid)
		if n != 0 {
			t.Errorf("%d of a bad batch", n)
		}
	}
	_, err := w.Raise("", "k")
	wantError(t, "empty name", err, ErrInvalid)
	n, _ := w.Intern("a")
	for _, key := range []string{long[:4097], "a\x00", "12345678\x00", "\xff"} {
		_, err = n.Raise(key)
		wantError(t, "key", err, ErrInvalid)
	}
	_, err = Name{}.Raise("k")
	wantError(t, "zero name", err, ErrInvalid)
	for _, key := range []string{"", "ü", "12345678", "1234567ü", strings.Repeat("界", 1365)} {
		if _, err := n.Raise(key); err != nil {
			t.Errorf("key %q: %v", key, err)
		}
	}
	flush(t, w)
	s := balanced(t, w)
	if len(rows(t, store)) != 5 || s.Refused.Invalid != uint64(3*len(bad)+5) || s.Refused.Total() != s.Refused.Invalid {
		t.Errorf("%d rows, %+v", len(rows(t, store)), s.Refused)
	}
}

func TestSignalCase13_SamplingIsExact(t *testing.T) {
	for _, n := range []int{1, 2, 3, 7, 10, 12, 1000, math.MaxInt} {
		w := open(t, Options{SampleEvery: n})
		var group sync.WaitGroup
		const each = 5000
		for range 4 {
			group.Go(func() {
				for range each {
					_, _ = w.Raise("x", "")
				}
			})
		}
		group.Wait()
		_, _ = w.RaiseBatch(make([]Signal, 3)) // refused, so it does not count
		name, err := w.Intern("x")
		wantError(t, "Name", err, nil)
		for i := range 500 {
			_, _ = w.RaiseSignal(Signal{Name: "x"})
			_, _ = name.Raise("")
			_, _ = name.RaiseFor(uint64(i), "")
		}
		batch := make([]Signal, 1500)
		for i := range batch {
			batch[i].Name = "b"
		}
		if k, err := w.RaiseBatch(batch); k != 1500 || err != nil {
			t.Fatal(k, err)
		}
		d := w.Diagnostics().Stats()
		if got, want := int(d.Raised)-1, (4*each+3*500+1500)/n; got != want {
			t.Errorf("1 in %d: %d samples, want %d", n, got, want)
		}
	}
	_, err := New(t.Context(), Options{SampleEvery: -1})
	wantError(t, "negative", err, ErrOption)
}

func TestSignalCase14_Subscribers(t *testing.T) {
	w := open(t, Options{})
	hang := make(chan struct{})
	watch := func(call func(Signal), o WatchOptions) *Watcher {
		x, err := w.Watch("x", call, o)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	slow := watch(func(Signal) { <-hang }, WatchOptions{Buffer: 2})
	loud := watch(func(Signal) { panic("loud") }, WatchOptions{})
	again := watch(func(s Signal) {
		if s.Sequence < 1000 {
			raise(t, w, "x")
		}
	}, WatchOptions{})
	fine := watch(func(Signal) {}, WatchOptions{Buffer: 10_000})
	raiseMany(t, w, 10)
	raise(t, w, "x")
	eventually(t, "the others get everything", func() bool {
		return fine.Stats().Delivered == 990 && loud.Stats().Panics == 990 && again.Stats().Delivered == 990
	})
	eventually(t, "the slow one drops all but the one that it holds and those that wait", func() bool {
		s := slow.Stats()
		return s.Waiting <= 2 && s.Dropped >= 987 && s.Dropped+uint64(s.Waiting)+1 == 990
	})
	close(hang)
	eventually(t, "the slow one goes on", func() bool { s := slow.Stats(); return s.Delivered+s.Dropped == 990 })
	for _, x := range []*Watcher{slow, loud, again, fine} {
		x.Stop()
	}
}

// Stop returns when the callback that is running has, and what waits behind it is not delivered any more.
func TestSignalCase15_StopWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, Options{Clock: time.Now})
		calls, release, stopped := 0, make(chan struct{}), false
		x, err := w.Watch("", func(Signal) {
			calls++
			<-release
			if stopped {
				t.Error("Stop returned during a callback")
			}
		}, WatchOptions{})
		if err != nil {
			t.Fatal(err)
		}
		raise(t, w, "a", "b", "c")
		synctest.Wait()
		done := make(chan struct{})
		go func() {
			x.Stop()
			stopped = true
			close(done)
		}()
		synctest.Wait()
		close(release)
		<-done
		raise(t, w, "d")
		synctest.Wait()
		equal(t, "calls", calls, 1)
		idle, err := w.Watch("", func(Signal) {}, WatchOptions{})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		idle.Stop()
		if len(w.watchers.list) != 0 || len(w.trip.sleepers) != 0 {
			t.Errorf("the window keeps %d watchers, %d of them to be woken", len(w.watchers.list), len(w.trip.sleepers))
		}
	})
}

func TestSignalCase15_Stop(t *testing.T) {
	for range pick(200, 30) {
		w := open(t, Options{Capacity: 100})
		var stopped, late bool
		var mu sync.Mutex
		x, err := w.Watch("", func(Signal) {
			mu.Lock()
			defer mu.Unlock()
			late = late || stopped
		}, WatchOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		group.Go(func() { raiseMany(t, w, 300) })
		x.Stop()
		mu.Lock()
		stopped = true
		mu.Unlock()
		x.Stop()
		group.Wait()
		raiseMany(t, w, 10)
		mu.Lock()
		if late {
			t.Fatal("delivered after Stop")
		}
		mu.Unlock()
		_ = w.Close()
	}
}
