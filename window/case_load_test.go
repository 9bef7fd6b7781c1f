package window

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

// earlier puts n signals of an earlier run into a store.
func earlier(t testing.TB, store sinks.SignalStore, n int, at func(i int) time.Time) {
	t.Helper()
	for from := 1; from <= n; from += 1000 {
		var batch []sinks.Signal
		for i := from; i < from+1000 && i <= n; i++ {
			batch = append(batch, sinks.Signal{Sequence: uint64(i), Time: at(i), Name: fmt.Sprint("old.", i%10), Key: fmt.Sprint(i)})
		}
		if err := store.Append(context.Background(), batch); err != nil {
			t.Fatal(err)
		}
	}
}

func always(at time.Time) func(int) time.Time { return func(int) time.Time { return at } }

func TestSignalCase29_Restart(t *testing.T) { eachStore(t, testRestart) }

func testRestart(t *testing.T, reopen func() sinks.SignalStore) {
	c := newClock()
	o := manual(reopen())
	o.Clock = c.now
	w := open(t, o)
	raiseMany(t, w, 2500)
	if _, err := w.RaiseSignal(Signal{Name: "late", Time: noon.Add(-time.Minute), Operation: 9}); err != nil {
		t.Fatal(err)
	}
	want := sense(t, w, "")
	wantError(t, "Close", w.Close(), nil)
	o.Store = reopen()
	again := open(t, o)
	raise(t, again, "first")
	r := load(t, again, LoadOptions{})
	got := sense(t, again, "")
	for i := range want {
		want[i].Restored = true
	}
	if len(got) != 2502 || got[2501].Name != "first" || got[2501].Sequence != 2502 || got[2501].Restored {
		t.Fatalf("%d signals, %+v", len(got), got[len(got)-1])
	}
	equal(t, "restored", got[:2501], want)
	equal(t, "report", r, LoadReport{Read: 2501, Restored: 2501})
	equal(t, "told", told(t, again, "window.load.*"), []string{"window.load.done:2501"})
	equal(t, "by index", len(sense(t, again, "many.3")), 250)
	last, ok, err := again.Last("late")
	if err != nil || !ok || last.Operation != 9 || !last.Restored {
		t.Errorf("%+v %v %v", last, ok, err)
	}
	balanced(t, again)
}

func TestSignalCase30_AgeComparesInstants(t *testing.T) {
	store, c := memory(t), newClock()
	east, west := time.FixedZone("east", 5*3600), time.FixedZone("west", -5*3600)
	err := store.Append(context.Background(), []sinks.Signal{
		{Sequence: 1, Name: "old", Time: noon.Add(-31 * time.Minute).In(east)},
		{Sequence: 2, Name: "young", Time: noon.Add(-29 * time.Minute).In(west)},
		{Sequence: 3, Name: "edge", Time: noon.Add(-30 * time.Minute).In(east)},
	})
	if err != nil {
		t.Fatal(err)
	}
	w := open(t, Options{Store: store, Clock: c.now, MaxAge: time.Hour})
	r := load(t, w, LoadOptions{MaxAge: 30 * time.Minute})
	equal(t, "names", names(sense(t, w, "")), []string{"young", "edge"})
	equal(t, "report", r, LoadReport{Read: 3, Restored: 2, TooOld: 1})
}

func TestSignalCase31_LoadIsIdempotent(t *testing.T) {
	eachStore(t, func(t *testing.T, reopen func() sinks.SignalStore) { testLoadTwice(t, reopen()) })
}

func testLoadTwice(t *testing.T, store sinks.SignalStore) {
	c := newClock()
	earlier(t, store, 1500, always(noon))
	o := manual(store)
	o.Clock = c.now
	w := open(t, o)
	raise(t, w, "mine")
	flush(t, w)
	equal(t, "first", load(t, w, LoadOptions{}).Restored, 1500)
	for range 2 {
		r := load(t, w, LoadOptions{})
		equal(t, "again", r, LoadReport{Read: 1500, Known: 1500})
	}
	if n, err := w.Clear("old.1"); n != 150 || err != nil {
		t.Fatal(n, err)
	}
	r := load(t, w, LoadOptions{})
	equal(t, "what was cleared comes back in its place", r, LoadReport{Read: 1500, Restored: 150, Known: 1350})
	list := sense(t, w, "")
	for i := range list {
		if list[i].Sequence != uint64(i+1) {
			t.Fatalf("place %d: %+v", i, list[i])
		}
	}
	flush(t, w)
	equal(t, "rows", len(rows(t, store)), 1501)
	balanced(t, w)
}

// What Replay delivers waits outside of Buffer: no policy drops it, and it makes no raise wait.
func TestReplayWaitsOutsideOfBuffer(t *testing.T) {
	for _, policy := range []Policy{DropOldest, DropNewest, Block} {
		store, c := memory(t), newClock()
		earlier(t, store, 200, always(noon))
		o := manual(store)
		o.Clock, o.MaxBlock = c.now, Forever
		w := open(t, o)
		got, proceed := make(chan Signal, 300), make(chan struct{})
		began := make(chan struct{}, 300)
		x, err := w.Watch("old.*,new", func(s Signal) { began <- struct{}{}; <-proceed; got <- s }, WatchOptions{Policy: policy, Buffer: 2})
		if err != nil {
			t.Fatal(err)
		}
		load(t, w, LoadOptions{Replay: true})
		<-began
		equal(t, "waiting", x.Stats().Waiting, 199) // and one is in the callback
		raise(t, w, "new")
		raise(t, w, "new")
		close(proceed)
		restored, news := uint64(0), 0
		for range 202 {
			if s := <-got; s.Name == "new" {
				news++
			} else if restored++; s.Sequence != restored || !s.Restored {
				t.Fatalf("policy %d: %+v where sequence %d was due", policy, s, restored)
			}
		}
		equal(t, "raised", news, 2)
		x.Stop()
		equal(t, "stats", x.Stats(), WatchStats{Delivered: 202})
	}
}

func TestSignalCase32_RestoredAreNotDelivered(t *testing.T) {
	store, c := memory(t), newClock()
	earlier(t, store, 20, always(noon))
	o := manual(store)
	o.Clock = c.now
	w := open(t, o)
	got := make(chan Signal, 100)
	x, err := w.Watch("old.1,new", func(s Signal) { got <- s }, WatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	load(t, w, LoadOptions{})
	raise(t, w, "new")
	if s := <-got; s.Name != "new" || s.Restored {
		t.Errorf("%+v", s)
	}
	if _, err := w.Clear("old.*"); err != nil {
		t.Fatal(err)
	}
	load(t, w, LoadOptions{Replay: true})
	for _, want := range []uint64{1, 11} {
		if s := <-got; s.Sequence != want || !s.Restored {
			t.Errorf("%+v", s)
		}
	}
	load(t, w, LoadOptions{Replay: true}) // nothing is new
	raise(t, w, "new")
	if s := <-got; s.Name != "new" {
		t.Errorf("%+v", s)
	}
	x.Stop()
}

func TestSignalCase33_LoadBeyondTheWindow(t *testing.T) {
	store, c := memory(t), newClock()
	earlier(t, store, 100, func(i int) time.Time { return noon.Add(-time.Duration(100-i) * time.Minute) })
	w := open(t, Options{Store: store, Clock: c.now, MaxAge: 10 * time.Minute})
	r := load(t, w, LoadOptions{MaxAge: time.Hour})
	equal(t, "report", r, LoadReport{Read: 100, Restored: 11, TooOld: 39, Expired: 50})
	equal(t, "visible", w.Len(), 11)
	w.mustAge(t, time.Hour)
	r = load(t, w, LoadOptions{MaxAge: time.Hour})
	equal(t, "wider", r, LoadReport{Read: 100, Restored: 50, Known: 11, TooOld: 39})
	equal(t, "in order", sense(t, w, "")[0].Sequence, uint64(40))
	balanced(t, w)
}

func TestSignalCase34_LoadIsBounded(t *testing.T) {
	store, c := memory(t), newClock()
	n := pick(1_000_000, 50_000)
	earlier(t, store, n, always(noon))
	counted := &counting{SignalStore: store}
	w := open(t, Options{Store: counted, Clock: c.now})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r := load(t, w, LoadOptions{})
	runtime.ReadMemStats(&after)
	equal(t, "report", r, LoadReport{Read: DefaultCapacity, Restored: DefaultCapacity, More: true})
	if counted.page > loadPage || counted.rows > DefaultCapacity+1 {
		t.Errorf("%d rows, %d at once", counted.rows, counted.page)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 32<<20 {
		t.Errorf("loading allocated %d bytes", grown)
	}
	list := sense(t, w, "")
	if len(list) != DefaultCapacity || list[len(list)-1].Sequence != uint64(n) {
		t.Errorf("%d signals", len(list))
	}
	raiseMany(t, w, 100)
	if list = sense(t, w, ""); len(list) != DefaultCapacity || list[0].Sequence != uint64(n-DefaultCapacity+101) {
		t.Errorf("%d signals from %d", len(list), list[0].Sequence)
	}
	r = load(t, w, LoadOptions{})
	if r.Restored != 0 || r.NoRoom != 100 {
		t.Errorf("%+v", r)
	}
	equal(t, "discarded", balanced(t, w).Discarded, uint64(100))
}

// counting tells how much is read.
type counting struct {
	sinks.SignalStore
	rows, page int
}

func (c *counting) ReadNewest(ctx context.Context, before uint64, limit int) ([]sinks.Signal, error) {
	list, err := c.SignalStore.ReadNewest(ctx, before, limit)
	c.rows += len(list)
	c.page = max(c.page, len(list))
	return list, err
}

func TestSignalCase35_RestoredOperationGoesOn(t *testing.T) {
	store := memory(t)
	if err := store.Append(context.Background(), []sinks.Signal{{Sequence: 1, Name: "a", Operation: 5, Time: time.Now()}}); err != nil {
		t.Fatal(err)
	}
	w := open(t, manual(store))
	load(t, w, LoadOptions{})
	for range 3 {
		if _, err := w.RaiseSignal(Signal{Name: "b", Operation: 5}); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, w)
	equal(t, "rows", len(rows(t, store)), 4)
	if n, _ := w.Find("").Operation(5).Count(); n != 4 {
		t.Errorf("%d signals of the operation", n)
	}
	equal(t, "cleared", w.ClearOperation(5), 4)
}

// Identity across restarts: sequences continue from the store, and operation numbers do not depend on process or time.
func TestSignalCase36_NoCollisions(t *testing.T) {
	store := memory(t)
	runs, each := 100, pick(1000, 100)
	operations, sequences := map[uint64]bool{}, map[uint64]bool{}
	for range runs {
		w := open(t, manual(store))
		for range each {
			id := w.NewOperation()
			n, err := w.RaiseSignal(Signal{Name: "a", Operation: id})
			if err != nil || operations[id] || sequences[n] {
				t.Fatalf("operation %d, sequence %d, %v", id, n, err)
			}
			operations[id], sequences[n] = true, true
		}
		wantError(t, "Close", w.Close(), nil)
	}
	equal(t, "rows", len(rows(t, store)), runs*each)
}

func TestLoadFailures(t *testing.T) {
	store, inner, plan := faulty(t, "newest:2 error io")
	earlier(t, inner, 5000, always(time.Now()))
	w := open(t, Options{Store: store, MaxNames: 3})
	if _, err := w.Load(context.Background(), LoadOptions{}); err == nil || w.Len() != 0 {
		t.Errorf("%v, %d signals", err, w.Len())
	}
	_, err := w.Load(context.Background(), LoadOptions{MaxAge: -1})
	wantError(t, "negative age", err, ErrOption)
	plan.Clear()
	r := load(t, w, LoadOptions{})
	equal(t, "names are bounded", r, LoadReport{Read: 5000, Restored: 1500, Refused: 3500})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = w.Load(ctx, LoadOptions{})
	wantError(t, "cancelled", err, context.Canceled)
	_, err = open(t, Options{}).Load(context.Background(), LoadOptions{})
	wantError(t, "no store", err, ErrNoStore)
	wantError(t, "no store", open(t, Options{}).Flush(context.Background()), ErrNoStore)
}
