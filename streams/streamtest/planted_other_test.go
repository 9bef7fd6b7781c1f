package streamtest

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/ephemera-go/ephemera/streams"
)

// listing spoils a list.
func listing(change func(l streams.Log, pattern, after string, limit int, list []streams.Info) []streams.Info) plantFunc {
	return func(l streams.Log) streams.Log {
		return spoiled{Log: l, list: func(ctx context.Context, pattern, after string, limit int) ([]streams.Info, error) {
			list, err := l.List(ctx, pattern, after, limit)
			return change(l, pattern, after, limit, list), err
		}}
	}
}

// summing spoils a summary.
func summing(change func(s *streams.Summary)) plantFunc {
	return func(l streams.Log) streams.Log {
		return spoiled{Log: l, aggregate: func(ctx context.Context, a streams.Aggregate) (streams.Summary, error) {
			s, err := l.Aggregate(ctx, a)
			change(&s)
			return s, err
		}}
	}
}

// failing spoils the errors of reads.
func failing(change func(stream string, err error) error) plantFunc {
	return func(l streams.Log) streams.Log {
		return spoiled{Log: l, read: func(ctx context.Context, r streams.Read) (streams.Page, error) {
			p, err := l.Read(ctx, r)
			if err != nil {
				err = change(r.Stream, err)
			}
			return p, err
		}}
	}
}

func otherBugs() []bug {
	return []bug{
		{name: "list backward", want: "list", plant: listing(func(_ streams.Log, _, _ string, _ int, list []streams.Info) []streams.Info {
			slices.Reverse(list)
			return list
		})},
		{name: "list without its end", want: "list", plant: listing(func(_ streams.Log, _, _ string, _ int, list []streams.Info) []streams.Info {
			return list[:max(0, len(list)-1)]
		})},
		{name: "list of all", want: "list", plant: func(l streams.Log) streams.Log {
			return spoiled{Log: l, list: func(ctx context.Context, _, after string, limit int) ([]streams.Info, error) {
				return l.List(ctx, "", after, limit)
			}}
		}},
		{name: "no deletion", want: "delete delete-keys max-streams", plant: func(l streams.Log) streams.Log {
			return spoiled{Log: l, remove: func(context.Context, string) error { return nil }}
		}},
		{name: "deleting nothing is an error", want: "delete", plant: func(l streams.Log) streams.Log {
			return spoiled{Log: l, remove: func(ctx context.Context, stream string) error {
				if i, err := l.Info(ctx, stream); err != nil || !i.Exists {
					return errors.Join(err, errors.New("not found"))
				}
				return l.Delete(ctx, stream)
			}}
		}},
		{name: "a deletion forgets the version", want: "delete", plant: func(l streams.Log) streams.Log {
			return spoiled{Log: l, info: func(ctx context.Context, stream string) (streams.Info, error) {
				i, err := l.Info(ctx, stream)
				if !i.Exists {
					i.Version, i.Oldest = 0, 1
				}
				return i, err
			}}
		}},
		{name: "a deleted stream exists", want: "delete", plant: appending(func(l streams.Log) appendFunc {
			return func(ctx context.Context, a streams.Append) (streams.Result, error) {
				if i, err := l.Info(ctx, a.Stream); err == nil && i.Version > 0 && !i.Exists && a.Expect == streams.ExpectNoStream {
					return streams.Result{}, &streams.ConflictError{Version: i.Version, Epoch: i.Epoch}
				}
				return l.Append(ctx, a)
			}
		})},
		{name: "keys outlive a deletion", want: "delete-keys", plant: appending(func(l streams.Log) appendFunc {
			var mu sync.Mutex
			known := map[string]streams.Result{}
			return func(ctx context.Context, a streams.Append) (streams.Result, error) {
				mu.Lock()
				defer mu.Unlock()
				key := a.Stream + "\x00" + a.Events[0].ID
				if r, ok := known[key]; ok {
					r.Duplicate = true
					return r, nil
				}
				r, err := l.Append(ctx, a)
				known[key] = r
				return r, err
			}
		})},
		{name: "any number of streams", want: "max-streams", options: func(o *streams.Options) { o.MaxStreams = 0 }},
		{name: "what is no number is not counted", want: "aggregate", plant: summing(func(s *streams.Summary) {
			s.Events -= s.NotNumbers
			s.NotNumbers = 0
		})},
		{name: "no group for those without", want: "aggregate", plant: summing(func(s *streams.Summary) { delete(s.Groups, "") })},
		{name: "percentiles are extremes", want: "aggregate", plant: summing(func(s *streams.Summary) {
			for p := range s.Percentile {
				s.Percentile[p] = s.Numbers.Max
			}
		})},
		{name: "the first answer for ever", want: "aggregate", plant: func(l streams.Log) streams.Log {
			var first *streams.Summary
			return spoiled{Log: l, aggregate: func(ctx context.Context, a streams.Aggregate) (streams.Summary, error) {
				s, err := l.Aggregate(ctx, a)
				if first == nil {
					first = &s
				}
				return *first, err
			}}
		}},
		{name: "never closed", want: "closed", plant: func(l streams.Log) streams.Log {
			return spoiled{Log: l, close: func() error { return nil }}
		}},
		{name: "context ignored", want: "canceled", plant: appending(func(l streams.Log) appendFunc {
			return func(ctx context.Context, a streams.Append) (streams.Result, error) {
				return l.Append(context.WithoutCancel(ctx), a)
			}
		})},
		{name: "a bare error of a context", want: "canceled", plant: failing(func(_ string, err error) error {
			if e := (*streams.Error)(nil); errors.As(err, &e) && errors.Is(err, context.DeadlineExceeded) {
				return e.Err
			}
			return err
		})},
		{name: "an error wrapped twice", want: "closed errors", plant: failing(func(stream string, err error) error {
			return &streams.Error{Op: "read", Stream: stream, Err: err}
		})},
		{name: "an error of another stream", want: "errors", plant: failing(func(_ string, err error) error {
			if e := (*streams.Error)(nil); errors.As(err, &e) {
				return &streams.Error{Op: e.Op, Err: e.Err}
			}
			return err
		})},
		{name: "an error of another operation", want: "errors", plant: failing(func(stream string, err error) error {
			if e := (*streams.Error)(nil); errors.As(err, &e) {
				return &streams.Error{Op: "info", Stream: stream, Err: e.Err}
			}
			return err
		})},
		{name: "read without its context", want: "canceled", plant: func(l streams.Log) streams.Log {
			return spoiled{Log: l, read: func(ctx context.Context, r streams.Read) (streams.Page, error) {
				return l.Read(context.WithoutCancel(ctx), r)
			}}
		}},
	}
}
