package window

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ephemera-go/ephemera/sinks"
	_ "github.com/ephemera-go/ephemera/sinks/memstore"
)

// A window without a Store comes back from its section: the same signals, and sequences that go on.
func TestSectionWithoutStore(t *testing.T) {
	ctx := context.Background()
	now := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	o := Options{Capacity: 50, Clock: func() time.Time { return now }}
	w, err := New(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 120 {
		s := Signal{Name: fmt.Sprintf("name.%d", i%7), Key: fmt.Sprint(i), Operation: uint64(i % 3), Time: now.Add(-time.Duration(i) * time.Second)}
		if i%10 == 0 {
			s.Path, s.Data = []string{"a", "b"}, []byte{0, 1, byte(i)}
		}
		if _, err := w.RaiseSignal(s); err != nil {
			t.Fatal(err)
		}
	}
	for round := range 3 {
		want, err := w.Sense("*")
		if err != nil {
			t.Fatal(err)
		}
		data, err := w.SaveSection(nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		o.Restored = data
		if w, err = New(ctx, o); err != nil {
			t.Fatal(err)
		}
		if err := w.LoadSection(data); err != nil {
			t.Error(err)
		}
		got, err := w.Sense("*")
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			want[i].Restored = true
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("round %d (-want +got):\n%s", round, d)
		}
		sequence, err := w.Raise("next", "")
		if err != nil || sequence != uint64(121+round) {
			t.Fatalf("round %d: sequence %d, %v", round, sequence, err)
		}
		if s := w.Stats(); s.Raised+s.Restored != uint64(s.Visible)+s.Discarded+s.Cleared+s.Expired || s.Restored != 50 {
			t.Errorf("stats %+v", s)
		}
	}
	if err := w.LoadSection([]byte{1}); !errors.Is(err, ErrOption) {
		t.Errorf("a section that came too late: %v", err)
	}
	_ = w.Close()
}

// With a Store the section says how far it is, and a store that is less far is refused.
func TestSectionWithStore(t *testing.T) {
	ctx := context.Background()
	open := func(url string) sinks.SignalStore {
		s, err := sinks.OpenSignals(ctx, url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	store := open(fmt.Sprint("mem://section-with-store-", rand.Uint64()))
	w, err := New(ctx, Options{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if _, err := w.Raise("a", ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := w.SaveSection(nil)
	if err != nil {
		t.Fatal(err)
	}
	again, err := New(ctx, Options{Store: store, Restored: data})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := again.Raise("a", ""); err != nil || n != 6 {
		t.Errorf("sequence %d, %v", n, err)
	}
	_ = again.Close()
	if _, err := New(ctx, Options{Store: open(fmt.Sprint("mem://section-other-store-", rand.Uint64())), Restored: data}); !errors.Is(err, sinks.ErrConflict) {
		t.Errorf("another store: %v", err)
	}
	if _, err := New(ctx, Options{Restored: data}); !errors.Is(err, ErrOption) {
		t.Errorf("no store: %v", err)
	}
}

// What a section says of the store is of one moment, whatever goes on.
func TestSectionDuringFlushes(t *testing.T) {
	w := open(t, Options{Store: &forgetful{}, Capacity: 1000, Overload: Block})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range pick(2000, 200) {
			raise(t, w, "a", "a", "a")
			flush(t, w)
		}
	}()
	for more := true; more; {
		data, err := w.SaveSection(nil)
		if err == nil {
			_, err = readSection(data)
		}
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-done:
			more = false
		default:
		}
	}
}

// A section that is ahead of the store: what lies between was never stored, and another writer there is noticed.
func TestSectionAheadOfTheStore(t *testing.T) {
	store := memory(t)
	w := open(t, manual(store))
	raise(t, w, "a", "a")
	flush(t, w)
	raise(t, w, "lost", "lost", "lost")
	o := manual(store)
	var err error
	if o.Restored, err = w.SaveSection(nil); err != nil {
		t.Fatal(err)
	}
	again := open(t, o)
	raise(t, again, "b")
	if s := balanced(t, again); s.LastSequence != 6 || s.LastDurable != 2 {
		t.Errorf("%+v", s)
	}
	wantError(t, "another writer", store.Append(t.Context(), []sinks.Signal{{Sequence: 3, Name: "theirs", Time: noon}}), nil)
	wantError(t, "Flush", again.Flush(t.Context()), sinks.ErrConflict)
	equal(t, "durable without a Store", balanced(t, open(t, Options{})).LastDurable, uint64(0))
}

func FuzzSection(f *testing.F) {
	w, err := New(context.Background(), Options{})
	if err != nil {
		f.Fatal(err)
	}
	for i := range 10 {
		_, _ = w.RaiseSignal(Signal{Name: fmt.Sprint(i), Data: []byte("x"), Path: []string{"y"}})
	}
	data, err := w.SaveSection(nil)
	if err != nil {
		f.Fatal(err)
	}
	_ = w.Close()
	f.Add(data)
	f.Add(data[:len(data)-1])
	f.Fuzz(func(t *testing.T, data []byte) {
		w, err := New(context.Background(), Options{Restored: data})
		if err != nil {
			if !errors.Is(err, sinks.ErrCorrupt) && !errors.Is(err, ErrOption) {
				t.Fatal(err)
			}
			return
		}
		_ = w.Close()
	})
}
