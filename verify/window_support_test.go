package verify

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/faultstore"
	_ "github.com/ephemera-go/ephemera/sinks/filestore"
	_ "github.com/ephemera-go/ephemera/sinks/memstore"
	_ "github.com/ephemera-go/ephemera/storage-sqlite"
	"github.com/ephemera-go/ephemera/window"
)

// sqliteURL names a new database. Without a flush of the disk per write tests are faster; a killed process loses nothing
// by it.
func sqliteURL(t testing.TB, query string) string {
	t.Helper()
	if query == "" {
		query = "synchronous=normal"
	}
	return "sqlite://" + filepath.ToSlash(filepath.Join(t.TempDir(), "signals.db")) + "?" + query
}

func fileURL(t testing.TB) string {
	t.Helper()
	return "file://" + filepath.ToSlash(t.TempDir()) + "?max_file=16KiB"
}

// openStore opens a store that is closed when the test ends, if it is not before.
func openStore(t testing.TB, url string) sinks.SignalStore {
	t.Helper()
	s, err := sinks.OpenSignals(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// openWindow makes a window that is closed when the test ends, if it is not before, and whose accounts must balance.
func openWindow(t testing.TB, o window.Options) *window.Window {
	t.Helper()
	w, err := window.New(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = w.Close()
		balancedStats(t, w)
	})
	return w
}

// byHand are options under which nothing is written before somebody asks.
func byHand(s sinks.SignalStore) window.Options {
	return window.Options{Store: s, FlushInterval: window.Forever, HighWater: 1 << 30}
}

// balance checks both equations of Stats.
func balance(s window.Stats) error {
	if s.Raised+s.Restored != uint64(s.Visible)+s.Discarded+s.Cleared+s.Expired {
		return fmt.Errorf("the memory does not add up: %+v", s)
	}
	if s.Raised != s.Persisted+s.Pending+s.Dropped {
		return fmt.Errorf("the store does not add up: %+v", s)
	}
	return nil
}

func balancedStats(t testing.TB, w *window.Window) window.Stats {
	t.Helper()
	s := w.Stats()
	must(t, balance(s))
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t testing.TB, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: error %v, want %v", what, got, want)
	}
}

func equal(t testing.TB, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %+v, want %+v", what, got, want)
	}
}

// faulty lets a plan act between a window and a store.
func faulty(t testing.TB, inner sinks.SignalStore, rules string) (sinks.SignalStore, *faultstore.Plan) {
	t.Helper()
	plan, err := faultstore.Parse(rules)
	must(t, err)
	return faultstore.Signals(inner, plan), plan
}

// rowsOf reads everything in a store.
func rowsOf(ctx context.Context, s sinks.SignalStore) (all []sinks.Signal, err error) {
	for after := uint64(0); ; {
		page, err := s.Read(ctx, after, 10_000)
		if err != nil || len(page) == 0 {
			return all, err
		}
		all = append(all, page...)
		after = page[len(page)-1].Sequence
	}
}

func wantRows(t testing.TB, s sinks.SignalStore, n int) []sinks.Signal {
	t.Helper()
	all, err := rowsOf(context.Background(), s)
	must(t, err)
	if len(all) != n {
		t.Fatalf("%d rows, want %d", len(all), n)
	}
	return all
}

func sense(t testing.TB, w *window.Window, pattern string) []window.Signal {
	t.Helper()
	list, err := w.Sense(pattern)
	must(t, err)
	return list
}

// load checks that the report adds up.
func load(t testing.TB, w *window.Window, o window.LoadOptions) window.LoadReport {
	t.Helper()
	r, err := w.Load(context.Background(), o)
	must(t, err)
	if r.Read != r.Restored+r.Known+r.TooOld+r.Expired+r.NoRoom+r.Refused {
		t.Errorf("the report does not add up: %+v", r)
	}
	return r
}

// raiseNumbered raises signals [from, to) of a source.
func raiseNumbered(t testing.TB, w *window.Window, source string, from, to uint64) {
	t.Helper()
	for n := from; n < to; n++ {
		_, err := raiseOne(w, source, n)
		must(t, err)
	}
}

// numbered is the n-th signal of a source; everything in it but the time follows from the two.
func numbered(source string, n uint64) window.Signal {
	x := mix(n + uint64(len(source))<<40)
	s := window.Signal{Name: names[x%64], Key: source + "/" + strconv.FormatUint(n, 10)}
	if n%8 == 0 {
		s.Operation, s.Path, s.Data = x, []string{"cause", names[n%64]}, []byte(s.Key)
	}
	return s
}

// raiseOne raises it, most of them the fast way.
func raiseOne(w *window.Window, source string, n uint64) (uint64, error) {
	s := numbered(source, n)
	if s.Operation == 0 {
		return w.Raise(s.Name, s.Key)
	}
	return w.RaiseSignal(s)
}

// origin tells which signal a row is, and an error if it is not as it was raised.
func origin(s *sinks.Signal) (source string, n uint64, err error) {
	at := strings.LastIndexByte(s.Key, '/')
	if at >= 0 {
		source = s.Key[:at]
		n, err = strconv.ParseUint(s.Key[at+1:], 10, 64)
	}
	want := numbered(source, n)
	if err != nil || at < 0 || s.Name != want.Name || s.Operation != want.Operation || s.Time.IsZero() ||
		!reflect.DeepEqual(s.Path, want.Path) || string(s.Data) != string(want.Data) {
		return source, n, fmt.Errorf("row %d is not what was raised: %+v", s.Sequence, *s)
	}
	return source, n, nil
}

// A counter counts what a store holds of each source. There must be no hole: sequences count from 1 on, those of a source
// from 0.
type counter struct {
	have map[string]uint64
	last uint64
}

func (c *counter) add(rows []sinks.Signal) error {
	if c.have == nil {
		c.have = map[string]uint64{}
	}
	for i := range rows {
		if c.last++; rows[i].Sequence != c.last {
			return fmt.Errorf("row %d has sequence %d", c.last, rows[i].Sequence)
		}
		source, n, err := origin(&rows[i])
		if err != nil {
			return err
		}
		if n != c.have[source] {
			return fmt.Errorf("row %d is number %d of %s, want %d", c.last, n, source, c.have[source])
		}
		c.have[source]++
	}
	return nil
}

// tally counts rows.
func tally(rows []sinks.Signal) (map[string]uint64, error) {
	var c counter
	err := c.add(rows)
	return c.have, err
}

// tallyStore counts everything in a store, page by page.
func tallyStore(ctx context.Context, s sinks.SignalStore) (map[string]uint64, error) {
	var c counter
	for {
		page, err := s.Read(ctx, c.last, 10_000)
		if err == nil {
			err = c.add(page)
		}
		if err != nil || len(page) == 0 {
			return c.have, err
		}
	}
}

// sameSignals compares a window's content with rows.
func sameSignals(list []window.Signal, rows []sinks.Signal) error {
	if len(list) != len(rows) {
		return fmt.Errorf("%d signals in the window, %d rows", len(list), len(rows))
	}
	for i := range list {
		s := &list[i]
		row := sinks.Signal{
			Sequence: s.Sequence, Time: s.Time, Name: s.Name, Key: s.Key, Operation: s.Operation, Path: s.Path, Data: s.Data,
		}
		if !row.Equal(rows[i]) {
			return fmt.Errorf("the window shows %+v, the row is %+v", *s, rows[i])
		}
	}
	return nil
}
