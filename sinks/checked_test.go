package sinks_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/faultstore"
	"github.com/ephemera-go/ephemera/sinks/memstore"
)

func TestErrorText(t *testing.T) {
	space := new(memstore.Space)
	plan, err := faultstore.Parse("append:1 error full; put:2 error")
	if err != nil {
		t.Fatal(err)
	}
	signals := faultstore.Signals(space.OpenSignals(), plan)
	blobs := faultstore.Blobs(space.OpenBlobs(), plan)
	_, _, open := blobs.Open(t.Context(), "a/b")
	_, limit := signals.Read(t.Context(), 17, 0)
	for _, c := range []struct {
		err  error
		want string
	}{
		{signals.Append(t.Context(), []sinks.Signal{{Sequence: 17, Name: "n"}}), "fault append signals@17: faultstore: injected: full: no space left on device"},
		{open, "mem open a/b: not found"},
		{blobs.Put(t.Context(), "../x\n", 0, strings.NewReader("")), `fault put "../x\n": invalid: blob name "../x\n" has a segment that starts with a dot`},
		{limit, "fault read signals@17: invalid: limit 0; at least 1"},
	} {
		if c.err == nil || c.err.Error() != c.want {
			t.Errorf("error %q, want %q", c.err, c.want)
		}
	}
	var known *sinks.Error
	if !errors.As(open, &known) || *known != (sinks.Error{Op: "open", Driver: "mem", Object: "a/b", Err: sinks.ErrNotFound}) {
		t.Errorf("error %#v", known)
	}
	if errors.As(known.Err, &known) {
		t.Error("wrapped twice")
	}
}

// TestCloseWaits closes a store while a call is stuck in the driver.
func TestCloseWaits(t *testing.T) {
	plan, err := faultstore.Parse("append:1 stall")
	if err != nil {
		t.Fatal(err)
	}
	s := faultstore.Signals(new(memstore.Space).OpenSignals(), plan)
	appended, closed := make(chan error, 1), make(chan error, 2)
	go func() {
		appended <- s.Append(context.WithoutCancel(t.Context()), []sinks.Signal{{Sequence: 1, Name: "n"}})
	}()
	wait(t, "the append", plan.Reached("append", 1))
	for range 2 {
		go func() { closed <- s.Close() }()
	}
	// From some moment on calls are refused, although the first one is still under way.
	deadline := time.Now().Add(time.Minute)
	for !errors.Is(sinks.Release(t.Context(), s), sinks.ErrClosed) {
		if time.Now().After(deadline) {
			t.Fatal("calls are not refused")
		}
	}
	select {
	case err := <-closed:
		t.Fatalf("Close returned %v while a call was under way", err)
	default:
	}
	plan.Clear()
	if err := errors.Join(<-appended, <-closed, <-closed); err != nil {
		t.Error(err)
	}
}

// takeFull is a driver that reads exactly size bytes and never looks for the end.
type takeFull struct {
	sinks.BlobStore
	stored int
}

func (s *takeFull) Put(_ context.Context, _ string, size int64, r io.Reader) error {
	if _, err := io.ReadFull(r, make([]byte, size)); err != nil {
		return err
	}
	s.stored++
	return nil
}

func TestPutSizeIsExact(t *testing.T) {
	raw := &takeFull{}
	s := sinks.CheckedBlobs("test", raw)
	failing := iotest.ErrReader(io.ErrUnexpectedEOF)
	for _, c := range []struct {
		name string
		size int64
		r    io.Reader
		want error
	}{
		{"exact", 5, strings.NewReader("12345"), nil},
		{"byte by byte", 5, iotest.OneByteReader(strings.NewReader("12345")), nil},
		{"end with the last bytes", 5, iotest.DataErrReader(strings.NewReader("12345")), nil},
		{"empty", 0, strings.NewReader(""), nil},
		{"too long by one", 5, strings.NewReader("123456"), sinks.ErrInvalid},
		{"too short", 5, strings.NewReader("1234"), sinks.ErrInvalid},
		{"not empty", 0, strings.NewReader("1"), sinks.ErrInvalid},
		{"failure behind the last byte", 5, io.MultiReader(strings.NewReader("12345"), failing), io.ErrUnexpectedEOF},
		{"failure of an empty one", 0, failing, io.ErrUnexpectedEOF},
		{"a reader that never ends", 5, io.MultiReader(strings.NewReader("12345"), stuck{}), io.ErrNoProgress},
		{"a reader that gets stuck", 5, io.MultiReader(strings.NewReader("12"), stuck{}), io.ErrNoProgress},
		{"no reader", 5, nil, sinks.ErrInvalid},
		{"no reader for an empty one", 0, nil, sinks.ErrInvalid},
	} {
		before := raw.stored
		err := s.Put(t.Context(), "a", c.size, c.r)
		if !errors.Is(err, c.want) || (raw.stored > before) != (c.want == nil) {
			t.Errorf("%s: error %v, stored %d", c.name, err, raw.stored-before)
		}
	}
}

// stuck delivers neither bytes nor an end.
type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

// loose is a driver whose contents are not what it says.
type loose struct {
	sinks.BlobStore
	r      io.Reader
	size   int64
	closed int
}

func (l *loose) Open(context.Context, string) (io.ReadCloser, int64, error) {
	return struct {
		io.Reader
		io.Closer
	}{l.r, l}, l.size, nil
}

func (l *loose) Close() error {
	l.closed++
	return io.ErrClosedPipe
}

// TestContentIsExact: a content that the driver cuts short, or that has grown, is not taken for whole.
func TestContentIsExact(t *testing.T) {
	failing := iotest.ErrReader(io.ErrUnexpectedEOF)
	for _, c := range []struct {
		name string
		size int64
		r    io.Reader
		got  string
		want error
	}{
		{"exact", 5, strings.NewReader("12345"), "12345", nil},
		{"byte by byte", 5, iotest.OneByteReader(strings.NewReader("12345")), "12345", nil},
		{"end with the last bytes", 5, iotest.DataErrReader(strings.NewReader("12345")), "12345", nil},
		{"empty", 0, strings.NewReader(""), "", nil},
		{"short", 5, strings.NewReader("1234"), "1234", sinks.ErrCorrupt},
		{"short, with the end", 5, iotest.DataErrReader(strings.NewReader("1234")), "1234", sinks.ErrCorrupt},
		{"long", 5, strings.NewReader("123456"), "12345", sinks.ErrCorrupt},
		{"long, byte by byte", 5, iotest.OneByteReader(strings.NewReader("123456")), "12345", sinks.ErrCorrupt},
		{"failing", 5, io.MultiReader(strings.NewReader("123"), failing), "123", io.ErrUnexpectedEOF},
	} {
		raw := &loose{r: c.r, size: c.size}
		r, size, err := sinks.CheckedBlobs("test", raw).Open(t.Context(), "a")
		if err != nil || size != c.size {
			t.Fatal(size, err)
		}
		got, err := io.ReadAll(r)
		if !errors.Is(err, c.want) || string(got) != c.got {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
		var known *sinks.Error
		if err != nil && (!errors.As(err, &known) || known.Op != "read" || known.Object != "a" || known.Driver != "test") {
			t.Errorf("%s: %v is not wrapped", c.name, err)
		}
		if _, again := r.Read(make([]byte, 1)); c.want != nil && !errors.Is(again, c.want) || c.want == nil && !errors.Is(again, io.EOF) {
			t.Errorf("%s: reading on returned %v", c.name, again)
		}
		first, second := r.Close(), r.Close()
		if !errors.Is(first, io.ErrClosedPipe) || !errors.Is(second, io.ErrClosedPipe) || raw.closed != 1 {
			t.Errorf("%s: closing returned %v, %v, and closed %d times", c.name, first, second, raw.closed)
		}
		if _, err := r.Read(make([]byte, 1)); !errors.Is(err, sinks.ErrClosed) {
			t.Errorf("%s: reading what is closed returned %v", c.name, err)
		}
	}
}

func TestContentEndsWithItsContext(t *testing.T) {
	s := new(memstore.Space).OpenBlobs()
	if err := s.Put(t.Context(), "a", 5, strings.NewReader("12345")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, _, err := s.Open(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(r, make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("reading after the end of the context returned %v", err)
	}
	if err := errors.Join(r.Close(), s.Close()); err != nil {
		t.Error(err)
	}
}
