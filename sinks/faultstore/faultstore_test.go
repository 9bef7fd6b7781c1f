package faultstore_test

import (
	"bytes"
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/faultstore"
	"github.com/ephemera-go/ephemera/sinks/memstore"
	"github.com/ephemera-go/ephemera/sinks/sinktest"
)

// TestHarmless runs the whole suite through a plan without rules: the decorator itself changes nothing.
func TestHarmless(t *testing.T) {
	blobs, signals := make(map[string]*memstore.Space), make(map[string]*memstore.Space)
	space := func(in map[string]*memstore.Space, place string) *memstore.Space {
		if in[place] == nil {
			in[place] = new(memstore.Space)
		}
		return in[place]
	}
	t.Run("blobs", func(t *testing.T) {
		sinktest.Blobs(t, func(_ context.Context, place string) (sinks.BlobStore, error) {
			return faultstore.Blobs(space(blobs, place).OpenBlobs(), new(faultstore.Plan)), nil
		}, sinktest.Caps{})
	})
	t.Run("signals", func(t *testing.T) {
		sinktest.Signals(t, func(_ context.Context, place string) (sinks.SignalStore, error) {
			return faultstore.Signals(space(signals, place).OpenSignals(), new(faultstore.Plan)), nil
		}, sinktest.Caps{})
	})
}

func parse(t *testing.T, rules string) *faultstore.Plan {
	t.Helper()
	p, err := faultstore.Parse(rules)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRulesPrint(t *testing.T) {
	const rules = "append:3 error full; append:5 lost-reply; *:10+ delay 20ms; put:2-4 partial 100 bytes; " +
		"append:* partial 2 signals unknown; open:1 partial 0 bytes io; close:1 stall; renew:7 error"
	p := parse(t, "\n "+strings.ReplaceAll(rules, "; ", " ;;\n\t")+"\n")
	if p.String() != rules {
		t.Errorf("got  %s\nwant %s", p, rules)
	}
	if again := parse(t, p.String()); again.String() != rules {
		t.Errorf("parsed again: %s", again)
	}
}

func TestRulesRefuseTogether(t *testing.T) {
	bad := []string{
		"x", "append", "append:1", "flush:1 error", "append:0 error", "append:3-2 error", "append:-1 error", "append:x error",
		"append:1 explode", "append:1 error strange", "append:1 error full full", "append:1 partial 3 bytes", "put:1 partial x bytes",
		"read:1 partial 1 signals", "append:1 delay", "append:1 delay soon", "append:1 delay -1s", "append:1 stall 3", "append:1 lost-reply io",
		"append:1 partial", "append:18446744073709551616 error",
	}
	_, err := faultstore.Parse(strings.Join(bad, ";"))
	for _, rule := range bad {
		if err == nil || !strings.Contains(err.Error(), "rule \""+rule+"\": ") {
			t.Errorf("%q is not refused", rule)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("append:3 error full; *:10+ delay 20ms")
	f.Add("put:2 partial 100 bytes io;;\n")
	f.Fuzz(func(t *testing.T, rules string) {
		p, err := faultstore.Parse(rules)
		if err != nil {
			return
		}
		again, err := faultstore.Parse(p.String())
		if err != nil || again.String() != p.String() {
			t.Errorf("%q prints as %q, which parses as %v, %v", rules, p, again, err)
		}
	})
}

func one(n uint64) []sinks.Signal { return []sinks.Signal{{Sequence: n, Name: "n"}} }

func TestKindsAndCounts(t *testing.T) {
	p := parse(t, "append:2 error full; append:3-4 error io; append:6 error; *:8 error closed")
	s := faultstore.Signals(new(memstore.Space).OpenSignals(), p)
	for call, want := range []error{nil, sinks.ErrFull, syscall.EIO, syscall.EIO, nil, faultstore.ErrInjected, nil, sinks.ErrClosed, nil} {
		err := s.Append(t.Context(), one(uint64(call+1)))
		if !errors.Is(err, want) || (err != nil) != errors.Is(err, faultstore.ErrInjected) {
			t.Errorf("call %d returned %v, want %v", call+1, err, want)
		}
	}
	if p.Calls("append") != 9 || p.Calls("*") != 9 || p.Calls("read") != 0 || p.Injected() != 5 {
		t.Error(p.Calls("append"), p.Calls("*"), p.Calls("read"), p.Injected())
	}
	stat, err := s.Stat(t.Context())
	if err != nil || stat.Count != 4 {
		t.Error(stat, err)
	}
	p.Clear()
	if err := s.Append(t.Context(), one(100)); err != nil || p.String() != "" {
		t.Error(err, p)
	}
}

func TestEveryOperationFails(t *testing.T) {
	ctx := t.Context()
	p := parse(t, "*:* error io")
	space := new(memstore.Space)
	b, s := faultstore.Blobs(space.OpenBlobs(), p), faultstore.Signals(space.OpenSignals(), p)
	calls := map[string]func() error{
		"put":     func() error { return b.Put(ctx, "a", 0, strings.NewReader("")) },
		"open":    func() error { _, _, err := b.Open(ctx, "a"); return err },
		"list":    func() error { _, err := b.List(ctx, "", "", 0); return err },
		"delete":  func() error { return b.Delete(ctx, "a") },
		"append":  func() error { return s.Append(ctx, one(1)) },
		"read":    func() error { _, err := s.Read(ctx, 0, 1); return err },
		"newest":  func() error { _, err := s.ReadNewest(ctx, 0, 1); return err },
		"trim":    func() error { return s.Trim(ctx, 1) },
		"stat":    func() error { _, err := s.Stat(ctx); return err },
		"prune":   func() error { _, err := sinks.Prune(ctx, s, time.Time{}, 1, 1); return err },
		"verify":  func() error { return sinks.Verify(ctx, s) },
		"acquire": func() error { _, err := sinks.Acquire(ctx, s, sinks.Claim{}); return err },
		"renew":   func() error { return sinks.Renew(ctx, s) },
		"release": func() error { return sinks.Release(ctx, s) },
	}
	for op, call := range calls {
		if err := call(); !errors.Is(err, syscall.EIO) || p.Calls(op) != 1 {
			t.Errorf("%s returned %v, counted %d", op, err, p.Calls(op))
		}
	}
	if err := s.Close(); !errors.Is(err, syscall.EIO) {
		t.Errorf("close returned %v", err)
	}
	if err := space.OpenSignals().Append(ctx, one(1)); err != nil {
		t.Error(err)
	}
}

func TestPartial(t *testing.T) {
	ctx := t.Context()
	p := parse(t, "put:1 partial 3 bytes; open:1 partial 2 bytes io; append:1 partial 2 signals unknown")
	space := new(memstore.Space)
	b, s := faultstore.Blobs(space.OpenBlobs(), p), faultstore.Signals(space.OpenSignals(), p)
	body := []byte("12345")
	if err := b.Put(ctx, "a", 5, bytes.NewReader(body)); !errors.Is(err, faultstore.ErrInjected) {
		t.Errorf("partial put returned %v", err)
	}
	if err := b.Put(ctx, "a", 5, bytes.NewReader(body)); err != nil {
		t.Error(err)
	}
	r, size, err := b.Open(ctx, "a")
	if err != nil || size != 5 {
		t.Fatal(size, err)
	}
	got, err := io.ReadAll(r)
	if !errors.Is(err, syscall.EIO) || string(got) != "12" || r.Close() != nil {
		t.Errorf("partial open gave %q, error %v", got, err)
	}
	batch := append(one(1), append(one(2), one(3)...)...)
	if err := s.Append(ctx, batch); !errors.Is(err, sinks.ErrUnknownOutcome) {
		t.Errorf("partial append returned %v", err)
	}
	if stat, err := s.Stat(ctx); err != nil || stat.Last != 2 {
		t.Error(stat, err)
	}
}

// TestEverySentinelHasAKind reads the sentinels from the source, so that a new one is not forgotten here.
func TestEverySentinelHasAKind(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ast.Inspect(file, func(node ast.Node) bool {
		value, ok := node.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(value.Names[0].Name, "Err") {
			return true
		}
		n++
		kind := strings.ToLower(strings.TrimPrefix(value.Names[0].Name, "Err"))
		kind = strings.TrimSuffix(kind, "outcome")
		if _, err := faultstore.Parse("append:1 error " + kind); err != nil || !bytes.Contains(text, []byte(kind)) {
			t.Errorf("sinks.%s has no kind, or the package comment does not name it: %v", value.Names[0].Name, err)
		}
		return true
	})
	if n < 10 {
		t.Errorf("only %d sentinels", n)
	}
}

// TestLostReplies: the store beneath is called, and everything that it has given is closed.
func TestLostReplies(t *testing.T) {
	ctx := t.Context()
	p := parse(t, "*:2+ lost-reply")
	under := new(faultstore.Plan)
	space := new(memstore.Space)
	opened := &openCount{BlobStore: faultstore.Blobs(space.OpenBlobs(), under)}
	b := faultstore.Blobs(opened, p)
	if err := b.Put(ctx, "a", 1, strings.NewReader("1")); err != nil {
		t.Fatal(err)
	}
	_, _, open := b.Open(ctx, "a")
	_, list := b.List(ctx, "", "", 0)
	for op, err := range map[string]error{
		"open": open, "list": list, "put": b.Put(ctx, "b", 1, strings.NewReader("2")), "delete": b.Delete(ctx, "a"),
	} {
		if !errors.Is(err, sinks.ErrUnknownOutcome) || !errors.Is(err, faultstore.ErrInjected) || under.Calls(op) == 0 {
			t.Errorf("%s returned %v, and called the store %d times", op, err, under.Calls(op))
		}
	}
	if opened.open != 0 {
		t.Errorf("%d contents are left open", opened.open)
	}
	blobs, err := space.OpenBlobs().List(ctx, "", "", 0)
	if err != nil || len(blobs) != 1 || blobs[0].Name != "b" {
		t.Errorf("the store holds %v, %v", blobs, err)
	}
}

// openCount counts contents that are open.
type openCount struct {
	sinks.BlobStore
	open int
}

func (o *openCount) Open(ctx context.Context, name string) (io.ReadCloser, int64, error) {
	r, size, err := o.BlobStore.Open(ctx, name)
	if err == nil {
		o.open++
	}
	return &countedContent{r, o}, size, err
}

type countedContent struct {
	io.ReadCloser
	of *openCount
}

func (c *countedContent) Close() error {
	c.of.open--
	return c.ReadCloser.Close()
}

func TestStallAndDelay(t *testing.T) {
	p := parse(t, "append:1 stall; append:2 delay 1h; append:3 stall")
	s := faultstore.Signals(new(memstore.Space).OpenSignals(), p)
	for call := uint64(1); call <= 2; call++ {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Append(ctx, one(call)) }()
		<-p.Reached("append", call)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("call %d returned %v", call, err)
		}
	}
	done := make(chan error, 1)
	go func() { done <- s.Append(t.Context(), one(3)) }()
	<-p.Reached("append", 3)
	p.Clear()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if stat, err := s.Stat(t.Context()); err != nil || stat.Count != 1 || p.Injected() != 0 {
		t.Error(stat, err, p.Injected())
	}
}
