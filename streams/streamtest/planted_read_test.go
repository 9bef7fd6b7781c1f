package streamtest

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync/atomic"

	"github.com/ephemera-go/ephemera/streams"
)

// reading spoils a read before and after.
func reading(before func(r *streams.Read), after func(r streams.Read, p *streams.Page)) plantFunc {
	return func(l streams.Log) streams.Log {
		return spoiled{Log: l, read: func(ctx context.Context, r streams.Read) (streams.Page, error) {
			asked := r
			if before != nil {
				before(&r)
			}
			p, err := l.Read(ctx, r)
			if after != nil {
				after(asked, &p)
			}
			return p, err
		}}
	}
}

func readBugs() []bug {
	return []bug{
		{name: "from is left out", want: "read", plant: reading(func(r *streams.Read) {
			if r.From > 0 && !r.Backward {
				r.From++
			}
		}, nil)},
		{name: "limit ignored", want: "read", plant: reading(func(r *streams.Read) {
			if r.Limit > 0 {
				r.Limit = streams.MaxPage
			}
		}, nil)},
		{name: "backward is ascending", want: "read limits", plant: reading(nil, func(r streams.Read, p *streams.Page) {
			if r.Backward {
				slices.Reverse(p.Events)
			}
		})},
		{name: "more is a full page", want: "read", plant: reading(nil, func(r streams.Read, p *streams.Page) {
			p.More = len(p.Events) == r.Limit
		})},
		{name: "version of the page, not of the stream", want: "read", plant: reading(nil, func(_ streams.Read, p *streams.Page) {
			if n := len(p.Events); n > 0 {
				p.Version = p.Events[n-1].Version
			}
		})},
		{name: "no stream is an error", want: "read-nothing", plant: func(l streams.Log) streams.Log {
			return spoiled{Log: l, read: func(ctx context.Context, r streams.Read) (streams.Page, error) {
				p, err := l.Read(ctx, r)
				if p.Version == 0 && err == nil {
					err = errors.New("not found")
				}
				return p, err
			}}
		}},
		{name: "no stream has no epoch", want: "read-nothing", plant: reading(nil, func(_ streams.Read, p *streams.Page) {
			if p.Version == 0 {
				p.Epoch = [16]byte{}
			}
		})},
		{name: "limits are clamped", want: "read-invalid", plant: reading(func(r *streams.Read) { r.Limit = min(max(r.Limit, 0), streams.MaxPage) }, nil)},
		{name: "a read tells no gap", want: "limits delete", plant: reading(nil, func(_ streams.Read, p *streams.Page) { p.Gap = nil })},
		{name: "a gap includes what is there", want: "limits", plant: reading(nil, func(_ streams.Read, p *streams.Page) {
			if p.Gap != nil {
				p.Gap.To++
			}
		})},
		{name: "every gap is by limit", want: "delete", plant: reading(nil, func(_ streams.Read, p *streams.Page) {
			if p.Gap != nil {
				p.Gap.Cause = streams.CauseLimit
			}
		})},
		{name: "version is what is kept", want: "limits", plant: func(l streams.Log) streams.Log {
			return spoiled{Log: l, info: func(ctx context.Context, stream string) (streams.Info, error) {
				i, err := l.Info(ctx, stream)
				i.Version = uint64(i.Events)
				return i, err
			}}
		}},
		{name: "bytes without overhead", want: "limits-bytes", options: func(o *streams.Options) { o.Limits.Bytes *= 10 }},
		{name: "a full stream discards", want: "refuse-new", options: func(o *streams.Options) { o.Limits.Full = streams.DiscardOldest }},
		{name: "limits of streams to come are lost", want: "set-limits", plant: func(l streams.Log) streams.Log {
			return spoiled{Log: l, setLimits: func(ctx context.Context, stream string, m streams.Limits) error {
				if i, err := l.Info(ctx, stream); err != nil || !i.Exists {
					return err
				}
				return l.SetLimits(ctx, stream, m)
			}}
		}},
		{name: "limits cannot be lowered", want: "set-limits", plant: func(l streams.Log) streams.Log {
			return spoiled{Log: l, setLimits: func(ctx context.Context, stream string, m streams.Limits) error {
				if i, err := l.Info(ctx, stream); err != nil || m.Events < i.Events && m.Events >= 0 {
					return err
				}
				return l.SetLimits(ctx, stream, m)
			}}
		}},
	}
}

// following spoils the messages of a subscription: change says what is yielded in place of one.
func following(change func(m streams.Message, err error) []streams.Message) plantFunc {
	return func(l streams.Log) streams.Log {
		return spoiled{Log: l, subscribe: func(ctx context.Context, s streams.Subscription) iter.Seq2[streams.Message, error] {
			return func(yield func(streams.Message, error) bool) {
				for m, err := range l.Subscribe(ctx, s) {
					if err != nil {
						yield(m, err)
						return
					}
					for _, x := range change(m, err) {
						if !yield(x, nil) {
							return
						}
					}
				}
			}
		}}
	}
}

// wishing spoils what a subscription is asked for.
func wishing(change func(s *streams.Subscription)) plantFunc {
	return func(l streams.Log) streams.Log {
		return spoiled{Log: l, subscribe: func(ctx context.Context, s streams.Subscription) iter.Seq2[streams.Message, error] {
			after := map[string]streams.Checkpoint{}
			for name, p := range s.After {
				after[name] = p
			}
			s.After = after
			change(&s)
			return l.Subscribe(ctx, s)
		}}
	}
}

func followBugs() []bug {
	without := func(kind streams.Kind) plantFunc {
		return following(func(m streams.Message, _ error) []streams.Message {
			if m.Kind == kind {
				return nil
			}
			return []streams.Message{m}
		})
	}
	return []bug{
		{name: "every event twice", want: "follow follow-many", plant: following(func(m streams.Message, _ error) []streams.Message {
			if m.Kind == streams.MessageEvent {
				return []streams.Message{m, m}
			}
			return []streams.Message{m}
		})},
		{name: "never caught up", want: "follow", waits: true, plant: without(streams.MessageCaughtUp)},
		{name: "over when caught up", want: "follow follow-before", plant: overWhenCaughtUp},
		{name: "the first event behind caughtup is lost", want: "follow", plant: func(l streams.Log) streams.Log {
			live := false
			return following(func(m streams.Message, _ error) []streams.Message {
				lost := live
				live = m.Kind == streams.MessageCaughtUp
				if lost && m.Kind == streams.MessageEvent {
					return nil
				}
				return []streams.Message{m}
			})(l)
		}},
		{name: "only streams that exist", want: "follow-before follow-many", waits: true, plant: onlyThoseThatExist},
		{name: "now is oldest", want: "follow-now", plant: wishing(func(s *streams.Subscription) { s.Start = streams.FromOldest })},
		{name: "patterns ignored", want: "follow-many", plant: wishing(func(s *streams.Subscription) { s.Pattern = "*" })},
		{name: "the checkpoint is yielded again", want: "follow-from", plant: wishing(func(s *streams.Subscription) {
			for name, p := range s.After {
				s.After[name] = streams.Checkpoint{Epoch: p.Epoch, Version: p.Version - 1}
			}
		})},
		{name: "checkpoint ignored", want: "follow-from", plant: wishing(func(s *streams.Subscription) { s.After = nil })},
		{name: "epoch of a checkpoint ignored", want: "follow-epoch", plant: wishing(func(s *streams.Subscription) {
			for name, p := range s.After {
				s.After[name] = streams.Checkpoint{Version: p.Version}
			}
		})},
		{name: "gaps are not told", want: "follow-gap follow-epoch", plant: without(streams.MessageGap)},
		{name: "gaps from the beginning", want: "follow-gap", plant: following(func(m streams.Message, _ error) []streams.Message {
			m.Gap.From = min(m.Gap.From, 1)
			return []streams.Message{m}
		})},
		{name: "gaps do not end", want: "follow-end", plant: wishing(func(s *streams.Subscription) { s.EndOnGap = false })},
		{name: "a deletion is told although all was delivered", want: "follow-deleted", plant: deletionTold},
		{name: "cancelling ends without an error", want: "follow-cancel", plant: func(l streams.Log) streams.Log {
			return spoiled{Log: l, subscribe: func(ctx context.Context, s streams.Subscription) iter.Seq2[streams.Message, error] {
				return func(yield func(streams.Message, error) bool) {
					for m, err := range l.Subscribe(ctx, s) {
						if errors.Is(err, context.Canceled) || !yield(m, err) {
							return
						}
					}
				}
			}}
		}},
		{name: "cancelling is not noticed", want: "follow-cancel", waits: true, plant: func(l streams.Log) streams.Log {
			return spoiled{Log: l, subscribe: func(ctx context.Context, s streams.Subscription) iter.Seq2[streams.Message, error] {
				late, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
				return func(yield func(streams.Message, error) bool) {
					deadline, _ := ctx.Deadline()
					until, end := context.WithDeadline(late, deadline)
					defer end()
					defer cancel(nil)
					for m, err := range l.Subscribe(until, s) {
						if !yield(m, err) {
							return
						}
					}
				}
			}}
		}},
		{name: "a bad pattern covers nothing", want: "follow-invalid", plant: wishing(func(s *streams.Subscription) { s.Pattern = "none" }), waits: true},
	}
}

func overWhenCaughtUp(l streams.Log) streams.Log {
	return spoiled{Log: l, subscribe: func(ctx context.Context, s streams.Subscription) iter.Seq2[streams.Message, error] {
		return func(yield func(streams.Message, error) bool) {
			for m, err := range l.Subscribe(ctx, s) {
				if !yield(m, err) || m.Kind == streams.MessageCaughtUp {
					return
				}
			}
		}
	}}
}

// onlyThoseThatExist leaves out streams that begin later.
func onlyThoseThatExist(l streams.Log) streams.Log {
	return spoiled{Log: l, subscribe: func(ctx context.Context, s streams.Subscription) iter.Seq2[streams.Message, error] {
		list, err := l.List(ctx, s.Pattern, "", 0)
		known := map[string]bool{"": true}
		for _, i := range list {
			known[i.Stream] = true
		}
		return func(yield func(streams.Message, error) bool) {
			if err != nil {
				yield(streams.Message{}, err)
				return
			}
			for m, err := range l.Subscribe(ctx, s) {
				if (err != nil || known[m.Stream]) && !yield(m, err) {
					return
				}
			}
		}
	}}
}

// deletionTold yields a gap for every deletion.
func deletionTold(l streams.Log) streams.Log {
	var deleted atomic.Bool
	s := following(func(m streams.Message, _ error) []streams.Message {
		if m.Kind == streams.MessageEvent && deleted.Swap(false) {
			gap := streams.Gap{Stream: m.Stream, From: 1, To: m.Event.Version - 1, Cause: streams.CauseDeleted}
			return []streams.Message{{Kind: streams.MessageGap, Stream: m.Stream, Gap: gap}, m}
		}
		return []streams.Message{m}
	})(l).(spoiled)
	s.remove = func(ctx context.Context, stream string) error {
		deleted.Store(true)
		return l.Delete(ctx, stream)
	}
	return s
}
