package streamtest

import (
	"fmt"

	"github.com/ephemera-go/ephemera/streams"
)

func readCases() []testCase {
	return []testCase{
		{name: "read", rule: "a read gives the versions from on, or backward down to them, at most limit, and says whether there are more", run: caseRead},
		{name: "read-nothing", rule: "a stream that does not exist is empty, at version 0", run: caseReadNothing},
		{name: "read-invalid", rule: "a limit that is not allowed is refused", run: caseReadInvalid},
		{
			name: "limits", rule: "limits discard the oldest, never lower a version, and a read from before says exactly what is gone",
			options: streams.Options{Limits: streams.Limits{Events: 4}},
			run:     caseLimits,
		},
		{
			name: "limits-bytes", rule: "the limit of bytes counts texts and EventOverhead",
			options: streams.Options{Limits: streams.Limits{Bytes: 3 * (streams.EventOverhead + int64(len(`t{"n":1}`)))}},
			run:     caseLimitsBytes,
		},
		{
			name: "refuse-new", rule: "with RefuseNew a full stream refuses, and nothing of the batch is stored",
			options: streams.Options{Limits: streams.Limits{Events: 3, Full: streams.RefuseNew}},
			run:     caseRefuseNew,
		},
		{name: "set-limits", rule: "limits can be changed, also before a stream begins", run: caseSetLimits},
	}
}

func caseRead(c *call) error {
	if err := c.fill("a", 9); err != nil {
		return err
	}
	for _, x := range []struct {
		r    streams.Read
		want []uint64
		more bool
	}{
		{streams.Read{From: 7}, []uint64{7, 8, 9}, false},
		{streams.Read{From: 7, Limit: 2}, []uint64{7, 8}, true},
		{streams.Read{From: 7, Limit: 3}, []uint64{7, 8, 9}, false},
		{streams.Read{From: 10}, nil, false},
		{streams.Read{From: 1<<64 - 1}, nil, false},
		{streams.Read{Limit: 2}, []uint64{1, 2}, true},
		{streams.Read{Backward: true, Limit: 3}, []uint64{9, 8, 7}, true},
		{streams.Read{Backward: true, From: 3}, []uint64{3, 2, 1}, false},
		{streams.Read{Backward: true, From: 3, Limit: 2}, []uint64{3, 2}, true},
		{streams.Read{Backward: true, From: 77, Limit: 1}, []uint64{9}, true},
	} {
		x.r.Stream = "a"
		p, err := c.wantVersions(x.r, x.want...)
		if err == nil && (p.More != x.more || p.Version != 9 || p.Oldest != 1 || p.Gap != nil || p.Epoch.IsZero()) {
			err = fmt.Errorf("reading %+v gives page %+v", x.r, p)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func caseReadNothing(c *call) error {
	p, err := c.wantVersions(streams.Read{Stream: "none"})
	if err == nil && (p.Version != 0 || p.Oldest != 1 || p.More || p.Gap != nil || p.Epoch.IsZero()) {
		err = fmt.Errorf("page %+v", p)
	}
	return err
}

func caseReadInvalid(c *call) error {
	_, err := c.log.Read(c.ctx, streams.Read{Stream: "a", Limit: -1})
	_, err2 := c.log.Read(c.ctx, streams.Read{Stream: "a", Limit: streams.MaxPage + 1})
	_, err3 := c.log.Read(c.ctx, streams.Read{Stream: "a//b"})
	return all(wantError("negative limit", err, streams.ErrInvalid), wantError("large limit", err2, streams.ErrInvalid),
		wantError("bad name", err3, streams.ErrInvalid))
}

func caseLimits(c *call) error {
	if err := c.fill("a", 10); err != nil {
		return err
	}
	p, err := c.wantVersions(streams.Read{Stream: "a", From: 3}, 7, 8, 9, 10)
	if err == nil && (p.Gap == nil || *p.Gap != streams.Gap{Stream: "a", From: 3, To: 6, Cause: streams.CauseLimit} || p.Oldest != 7) {
		err = fmt.Errorf("page %+v, gap %+v", p, p.Gap)
	}
	p, err2 := c.wantVersions(streams.Read{Stream: "a"}, 7, 8, 9, 10)
	if err2 == nil && p.Gap != nil {
		err2 = fmt.Errorf("a read from the oldest tells of gap %+v", *p.Gap)
	}
	_, err3 := c.wantVersions(streams.Read{Stream: "a", Backward: true}, 10, 9, 8, 7)
	return all(err, err2, err3, c.wantVersion("a", 10))
}

func caseLimitsBytes(c *call) error {
	if err := c.fill("a", 8); err != nil {
		return err
	}
	_, err := c.wantVersions(streams.Read{Stream: "a"}, 6, 7, 8)
	return err
}

func caseRefuseNew(c *call) error {
	if err := c.fill("a", 2); err != nil {
		return err
	}
	_, err := c.add("a", streams.ExpectAny, ev(3), ev(4))
	if err := wantError("a batch too many", err, streams.ErrFull); err != nil {
		return err
	}
	if err := fillFrom(c, "a", 3, 3); err != nil {
		return err
	}
	_, err = c.add("a", streams.ExpectAny, ev(4))
	_, err2 := c.wantVersions(streams.Read{Stream: "a"}, 1, 2, 3)
	return all(wantError("one too many", err, streams.ErrFull), err2)
}

func caseSetLimits(c *call) error {
	if err := all(c.log.SetLimits(c.ctx, "a", streams.Limits{Events: 5}), c.fill("a", 8)); err != nil {
		return err
	}
	if _, err := c.wantVersions(streams.Read{Stream: "a"}, 4, 5, 6, 7, 8); err != nil {
		return err
	}
	if err := c.log.SetLimits(c.ctx, "a", streams.Limits{Events: 2}); err != nil {
		return err
	}
	_, err := c.wantVersions(streams.Read{Stream: "a"}, 7, 8)
	i, err2 := c.log.Info(c.ctx, "a")
	if err2 == nil && (i.Limits.Events != 2 || i.Events != 2 || i.Oldest != 7 || !i.Exists) {
		err2 = fmt.Errorf("info %+v", i)
	}
	bad := c.log.SetLimits(c.ctx, "a", streams.Limits{Events: -1})
	return all(err, err2, wantError("negative limit", bad, streams.ErrInvalid))
}
