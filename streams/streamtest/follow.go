package streamtest

import (
	"context"
	"errors"
	"fmt"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/streams"
)

func followCases() []testCase {
	return []testCase{
		{name: "follow", rule: "a subscription yields what is there, then CaughtUp, then what comes, each once and in order", run: caseFollow},
		{name: "follow-before", rule: "a subscription to a stream that does not exist waits for it", run: caseFollowBefore},
		{name: "follow-now", rule: "FromNow leaves out what is there, also in streams that begin later", run: caseFollowNow},
		{name: "follow-many", rule: "a pattern covers many streams, each in its order, and no other", run: followMany},
		{name: "follow-from", rule: "a subscription goes on behind its checkpoint", run: caseFollowFrom},
		{name: "follow-epoch", rule: "a checkpoint of an unknown epoch is a Gap, and the stream comes from its beginning", run: caseFollowEpoch},
		{
			name: "follow-gap", rule: "what limits discarded before it was delivered is a Gap of exactly these versions",
			options: streams.Options{Limits: streams.Limits{Events: 3}},
			run:     caseFollowGap,
		},
		{
			name: "follow-end", rule: "with EndOnGap a Gap ends the subscription as a GapError", options: streams.Options{Limits: streams.Limits{Events: 2}},
			run: caseFollowEnd,
		},
		{name: "follow-deleted", rule: "a deletion is a Gap of what was not delivered, and the stream goes on with higher versions", run: followDeleted},
		{name: "follow-cancel", rule: "the end of its context ends a subscription with that error", run: caseFollowCancel},
		{name: "follow-invalid", rule: "a pattern that cannot be read is refused", run: caseFollowInvalid},
	}
}

func followMany(c *call) error {
	for _, n := range []string{"a/1", "a/2", "b/1"} {
		if err := c.fill(n, 3); err != nil {
			return err
		}
	}
	next, stop := c.follow(streams.Subscription{Pattern: "a/*,c"})
	defer stop()
	seen := map[string]uint64{}
	take := func(until func() bool) error {
		for !until() {
			m, err := next()
			if err != nil {
				return err
			}
			if m.Kind == streams.MessageCaughtUp {
				continue
			}
			if m.Kind != streams.MessageEvent || m.Stream == "b/1" || m.Event.Version != seen[m.Stream]+1 || m.Event.Stream != m.Stream {
				return fmt.Errorf("message %s behind version %d", show(m), seen[m.Stream])
			}
			seen[m.Stream]++
		}
		return nil
	}
	if err := take(func() bool { return seen["a/1"] == 3 && seen["a/2"] == 3 }); err != nil {
		return err
	}
	if err := all(fillFrom(c, "a/2", 4, 4), c.fill("b/2", 1), c.fill("c", 2), c.fill("a/3", 1)); err != nil {
		return err
	}
	return take(func() bool { return seen["a/2"] == 4 && seen["c"] == 2 && seen["a/3"] == 1 })
}

func followDeleted(c *call) error {
	if err := c.fill("a", 3); err != nil {
		return err
	}
	next, stop := c.follow(streams.Subscription{Pattern: "a"})
	defer stop()
	if err := expectMessages(next, "a@1", "a@2", "a@3", "caughtup"); err != nil {
		return err
	}
	if err := c.log.Delete(c.ctx, "a"); err != nil {
		return err
	}
	if err := fillFrom(c, "a", 4, 4); err != nil {
		return err
	}
	if err := expectMessages(next, "a@4"); err != nil {
		return err
	}
	if err := all(fillFrom(c, "a", 5, 6), c.log.Delete(c.ctx, "a")); err != nil {
		return err
	}
	late, stopLate := c.follow(streams.Subscription{Pattern: "a", After: map[string]streams.Checkpoint{"a": {Version: 4}}})
	defer stopLate()
	return expectMessages(late, "gap a 5-6 deleted", "caughtup")
}

func caseFollow(c *call) error {
	if err := c.fill("a", 3); err != nil {
		return err
	}
	next, stop := c.follow(streams.Subscription{Pattern: "a"})
	defer stop()
	if err := expectMessages(next, "a@1", "a@2", "a@3", "caughtup"); err != nil {
		return err
	}
	if err := fillFrom(c, "a", 4, 5); err != nil {
		return err
	}
	return expectMessages(next, "a@4", "a@5")
}

func caseFollowBefore(c *call) error {
	next, stop := c.follow(streams.Subscription{Pattern: "a"})
	defer stop()
	if err := expectMessages(next, "caughtup"); err != nil {
		return err
	}
	if err := c.fill("a", 2); err != nil {
		return err
	}
	return expectMessages(next, "a@1", "a@2")
}

func caseFollowNow(c *call) error {
	if err := c.fill("a/1", 3); err != nil {
		return err
	}
	next, stop := c.follow(streams.Subscription{Pattern: "a/*", Start: streams.FromNow})
	defer stop()
	if err := expectMessages(next, "caughtup"); err != nil {
		return err
	}
	if err := fillFrom(c, "a/1", 4, 4); err != nil {
		return err
	}
	if err := expectMessages(next, "a/1@4"); err != nil {
		return err
	}
	if err := c.fill("a/2", 1); err != nil {
		return err
	}
	return expectMessages(next, "a/2@1")
}

func caseFollowFrom(c *call) error {
	if err := c.fill("a", 5); err != nil {
		return err
	}
	i, err := c.log.Info(c.ctx, "a")
	if err != nil {
		return err
	}
	next, stop := c.follow(streams.Subscription{Pattern: "a", After: map[string]streams.Checkpoint{"a": {Epoch: i.Epoch, Version: 3}}})
	defer stop()
	return expectMessages(next, "a@4", "a@5", "caughtup")
}

func caseFollowEpoch(c *call) error {
	if err := c.fill("a", 2); err != nil {
		return err
	}
	next, stop := c.follow(streams.Subscription{Pattern: "a", After: map[string]streams.Checkpoint{"a": {Epoch: core.Epoch{7}, Version: 9}}})
	defer stop()
	return expectMessages(next, "gap a 1-9 epoch", "a@1", "a@2", "caughtup")
}

func caseFollowGap(c *call) error {
	if err := c.fill("a", 2); err != nil {
		return err
	}
	next, stop := c.follow(streams.Subscription{Pattern: "a", After: map[string]streams.Checkpoint{"a": {Version: 1}}})
	defer stop()
	if err := expectMessages(next, "a@2", "caughtup"); err != nil {
		return err
	}
	more, end := c.follow(streams.Subscription{Pattern: "a", After: map[string]streams.Checkpoint{"a": {Version: 2}}})
	end()
	_ = more
	if err := fillFrom(c, "a", 3, 9); err != nil {
		return err
	}
	late, stopLate := c.follow(streams.Subscription{Pattern: "a", After: map[string]streams.Checkpoint{"a": {Version: 2}}})
	defer stopLate()
	return expectMessages(late, "gap a 3-6 limit", "a@7", "a@8", "a@9", "caughtup")
}

func caseFollowEnd(c *call) error {
	if err := c.fill("a", 5); err != nil {
		return err
	}
	next, stop := c.follow(streams.Subscription{Pattern: "a", EndOnGap: true, After: map[string]streams.Checkpoint{"a": {Version: 1}}})
	defer stop()
	_, err := next()
	if g := (*streams.GapError)(nil); !errors.As(err, &g) || g.Gap != (streams.Gap{Stream: "a", From: 2, To: 3, Cause: streams.CauseLimit}) {
		return fmt.Errorf("error %w", err)
	}
	return nil
}

func caseFollowCancel(c *call) error {
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	for m, err := range c.log.Subscribe(ctx, streams.Subscription{Pattern: "a"}) {
		if err != nil {
			return wantError("cancelled", err, context.Canceled)
		}
		if m.Kind == streams.MessageCaughtUp {
			cancel()
		}
	}
	return errors.New("it ended without an error")
}

func caseFollowInvalid(c *call) error {
	next, stop := c.follow(streams.Subscription{Pattern: "a\x00"})
	defer stop()
	_, err := next()
	return wantError("pattern", err, streams.ErrInvalid)
}
