package streamtest

import (
	"context"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/streams"
)

// A bug is planted in a log; want names the cases that must find it.
type bug struct {
	name, want string
	options    func(o *streams.Options)      // spoils the options, or
	plant      func(streams.Log) streams.Log // the log
	waits      bool                          // a case waits for what never comes
}

// spoiled is a log of which some methods are wrong.
type spoiled struct {
	streams.Log
	append    func(ctx context.Context, a streams.Append) (streams.Result, error)
	read      func(ctx context.Context, r streams.Read) (streams.Page, error)
	subscribe func(ctx context.Context, s streams.Subscription) iter.Seq2[streams.Message, error]
	info      func(ctx context.Context, stream string) (streams.Info, error)
	list      func(ctx context.Context, pattern, after string, limit int) ([]streams.Info, error)
	setLimits func(ctx context.Context, stream string, m streams.Limits) error
	remove    func(ctx context.Context, stream string) error
	aggregate func(ctx context.Context, a streams.Aggregate) (streams.Summary, error)
	close     func() error
}

func (s spoiled) Append(ctx context.Context, a streams.Append) (streams.Result, error) {
	if s.append != nil {
		return s.append(ctx, a)
	}
	return s.Log.Append(ctx, a)
}

func (s spoiled) Read(ctx context.Context, r streams.Read) (streams.Page, error) {
	if s.read != nil {
		return s.read(ctx, r)
	}
	return s.Log.Read(ctx, r)
}

func (s spoiled) Subscribe(ctx context.Context, x streams.Subscription) iter.Seq2[streams.Message, error] {
	if s.subscribe != nil {
		return s.subscribe(ctx, x)
	}
	return s.Log.Subscribe(ctx, x)
}

func (s spoiled) Info(ctx context.Context, stream string) (streams.Info, error) {
	if s.info != nil {
		return s.info(ctx, stream)
	}
	return s.Log.Info(ctx, stream)
}

func (s spoiled) List(ctx context.Context, pattern, after string, limit int) ([]streams.Info, error) {
	if s.list != nil {
		return s.list(ctx, pattern, after, limit)
	}
	return s.Log.List(ctx, pattern, after, limit)
}

func (s spoiled) SetLimits(ctx context.Context, stream string, m streams.Limits) error {
	if s.setLimits != nil {
		return s.setLimits(ctx, stream, m)
	}
	return s.Log.SetLimits(ctx, stream, m)
}

func (s spoiled) Delete(ctx context.Context, stream string) error {
	if s.remove != nil {
		return s.remove(ctx, stream)
	}
	return s.Log.Delete(ctx, stream)
}

func (s spoiled) Aggregate(ctx context.Context, a streams.Aggregate) (streams.Summary, error) {
	if s.aggregate != nil {
		return s.aggregate(ctx, a)
	}
	return s.Log.Aggregate(ctx, a)
}

func (s spoiled) Close() error {
	if s.close != nil {
		return s.close()
	}
	return s.Log.Close()
}

// open returns a log with the bug, or a sound one without.
func (b *bug) open(t testing.TB, o streams.Options) streams.Log {
	t.Helper()
	if b.options != nil {
		b.options(&o)
	}
	l, err := streams.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	if b.plant != nil {
		return b.plant(l)
	}
	return l
}

// TestBugsAreFound tries on every bug the cases that must find it. Each case must be wanted by one: a case that finds
// nothing proves nothing.
func TestBugsAreFound(t *testing.T) {
	all := cases()
	for i := range all {
		if err := all[i].try(t.Context(), t, new(bug).open); err != nil {
			t.Errorf("a sound log fails %s: %v", all[i].name, err)
		}
	}
	wanted := map[string]bool{}
	bugs := slices.Concat(appendBugs(), keyBugs(), readBugs(), followBugs(), otherBugs())
	for i := range bugs {
		b := &bugs[i]
		t.Run(strings.ReplaceAll(b.name, " ", "-"), func(t *testing.T) {
			for name := range strings.FieldsSeq(b.want) {
				wanted[name] = true
				k := slices.IndexFunc(all, func(c testCase) bool { return c.name == name })
				if k < 0 {
					t.Fatalf("there is no case %s", name)
				}
				ctx := t.Context()
				if b.waits {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, 500*time.Millisecond)
					defer cancel()
				}
				err := all[k].try(ctx, t, b.open)
				if err == nil {
					t.Errorf("case %s does not find the bug", name)
				}
				t.Logf("%s: %v", name, err)
			}
		})
	}
	for i := range all {
		if !wanted[all[i].name] {
			t.Errorf("no bug is planted for case %s", all[i].name)
		}
	}
	t.Logf("%d bugs", len(bugs))
}
