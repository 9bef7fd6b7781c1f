package s3store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	s3store "github.com/ephemera-go/ephemera/storage-s3"
)

func itoa(n int) string { return strconv.Itoa(n) }

// errPlain stands for a failure without a sentinel: nothing was done, and it may pass.
var errPlain = errors.New("a failure without a sentinel")

// A fault is something that happens to requests, and what the calls return that make them.
type fault struct {
	name  string
	times int // 0 means always
	do    action
	// What is wanted of calls that write on a condition, remove, and read.
	write, remove, read error
}

// always makes a fault that all calls answer with the same error.
func always(name string, do action, want error) fault { return fault{name, 0, do, want, want, want} }

// passing makes a fault that goes by unnoticed.
func passing(name string, times int, do action) fault { return fault{name: name, times: times, do: do} }

// unknown makes a fault that leaves it open whether a write has happened.
func unknown(name string, do action) fault {
	return fault{name, 0, do, sinks.ErrUnknownOutcome, sinks.ErrUnknownOutcome, errPlain}
}

// hidden makes a fault that hides what the server has done, from all but those who look.
func hidden(name string, do action) fault {
	return fault{name, 0, after(do), nil, sinks.ErrUnknownOutcome, errPlain}
}

// commonFaults may happen to every request.
var commonFaults = []fault{
	passing("busy for a while", 2, answer(503, "SlowDown")),
	always("busy", answer(503, "SlowDown"), errPlain),
	passing("unavailable for a while", 2, answer(503, "ServiceUnavailable")),
	passing("503 of a proxy for a while", 2, page(503)),
	unknown("503 of a proxy", page(503)),
	passing("internal error for a while", 2, answer(500, "InternalError")),
	unknown("internal error", answer(500, "InternalError")),
	passing("502 of a proxy for a while", 2, page(502)),
	unknown("504 of a proxy", page(504)),
	passing("too many requests for a while", 2, bare(429)),
	passing("request timeout", 2, answer(400, "RequestTimeout")),
	passing("conflict for a while", 2, answer(409, "ConditionalRequestConflict")),
	always("conflict", answer(409, "OperationAborted"), errPlain),
	passing("conflict without a code", 2, bare(409)),
	passing("answer to another request", 1, answer(400, "BadRequest")),
	unknown("answers to other requests", answer(400, "BadRequest")),
	passing("request lost", 2, hangUp),
	unknown("requests lost", hangUp),
	passing("reply lost", 1, after(hangUp)),
	hidden("replies lost", hangUp),
	passing("done, then internal error", 1, after(answer(500, "InternalError"))),
	hidden("done, then internal error always", answer(500, "InternalError")),
	hidden("done, then 503 of a proxy", page(503)),
	hidden("done, then 504 of a proxy", page(504)),
	passing("no HTTP", 2, garbage),
	unknown("no HTTP ever", garbage),
	passing("empty success", 1, bare(200)),
	unknown("empty success always", bare(200)),
	always("access denied", answer(403, "AccessDenied"), sinks.ErrDenied),
	always("access denied without a code", bare(403), sinks.ErrDenied),
	always("401 of a proxy", page(401), sinks.ErrDenied),
	always("unknown key", answer(403, "InvalidAccessKeyId"), sinks.ErrDenied),
	always("wrong secret", answer(403, "SignatureDoesNotMatch"), sinks.ErrDenied),
	always("expired token", answer(400, "ExpiredToken"), sinks.ErrDenied),
	always("clock skew", answer(403, "RequestTimeTooSkewed"), sinks.ErrDenied),
	always("no bucket", answer(404, "NoSuchBucket"), sinks.ErrNotFound),
	always("redirect", answer(307, "TemporaryRedirect"), sinks.ErrInvalid),
	always("redirect without a code", bare(301), sinks.ErrInvalid),
	always("wrong region", answer(400, "AuthorizationHeaderMalformed"), sinks.ErrInvalid),
	always("not implemented", answer(501, "NotImplemented"), errors.ErrUnsupported),
	always("method not allowed", answer(405, "MethodNotAllowed"), errors.ErrUnsupported),
	always("full", answer(507, "XMinioStorageFull"), sinks.ErrFull),
	always("quota", answer(403, "QuotaExceeded"), sinks.ErrFull),
	always("quota of a bucket", answer(400, "XMinioAdminBucketQuotaExceeded"), sinks.ErrFull),
	{"stall until the context ends", 0, stall, calledOff, calledOff, context.Canceled},
	{"done, then stall until the context ends", 0, after(stall), calledOff, calledOff, context.Canceled},
}

// calledOff is a write whose context ended while it was under way.
var calledOff = errors.Join(context.Canceled, sinks.ErrUnknownOutcome)

// with adds the common faults to others.
func with(faults []fault) []fault { return slices.Concat(commonFaults, faults) }

func half(b []byte) []byte { return b[:len(b)/2] }

func flip(b []byte) []byte {
	b = bytes.Clone(b)
	b[len(b)/2] ^= 1
	return b
}

// writeFaults may happen to uploads.
var writeFaults = []fault{
	passing("repeated on its way", 1, twice),
	passing("repeated on its way always", 0, twice),
	passing("cut on its way", 2, rewrite(half)),
	always("cut on its way always", rewrite(half), errPlain),
	passing("changed on its way", 2, rewrite(flip)),
	always("changed on its way always", rewrite(flip), errPlain),
	passing("condition refused without need", 2, answer(412, "PreconditionFailed")),
	always("condition refused without need always", answer(412, "PreconditionFailed"), errPlain),
	passing("reply without ETag", 0, reply(func(h http.Header, b []byte) []byte { h.Del("ETag"); return b })),
}

// largeFaults are those that a body in a temporary file may make a difference to.
var largeFaults = slices.Concat(writeFaults, []fault{
	passing("request lost", 2, hangUp),
	unknown("requests lost", hangUp),
	passing("reply lost", 1, after(hangUp)),
	hidden("replies lost", hangUp),
	{"stall until the context ends", 0, stall, calledOff, calledOff, context.Canceled},
	{"done, then stall until the context ends", 0, after(stall), calledOff, calledOff, context.Canceled},
})

// readFaults may happen to contents that are read.
var readFaults = []fault{
	always("damaged", reply(func(_ http.Header, b []byte) []byte { return flip(b) }), sinks.ErrCorrupt),
	always("emptied", reply(func(h http.Header, _ []byte) []byte { h.Set("Content-Length", "0"); return nil }), sinks.ErrCorrupt),
	always("without what we put with it", reply(func(h http.Header, b []byte) []byte {
		for name := range h {
			if strings.HasPrefix(name, "X-Amz-Meta-") {
				h.Del(name)
			}
		}
		return b
	}), sinks.ErrForeign),
	passing("without its time", 1, reply(func(h http.Header, b []byte) []byte { h.Del("Last-Modified"); return b })),
	passing("without its size", 1, reply(func(h http.Header, b []byte) []byte {
		h.Del("Content-Length")
		h.Set("Transfer-Encoding", "chunked")
		return b
	})),
	always("cut", cutReply(func(n int) int { return n / 2 }), errPlain),
	always("cut before the last byte", cutReply(func(n int) int { return n - 1 }), errPlain),
	always("cut before the first byte", cutReply(func(int) int { return 0 }), errPlain),
}

// keyFault is a failure to remove one key of many.
func keyFault(code string) action {
	return reply(func(h http.Header, _ []byte) []byte {
		b := []byte("<DeleteResult><Error><Key>k</Key><Code>" + code + "</Code><Message>secret</Message></Error></DeleteResult>")
		h.Set("Content-Length", itoa(len(b)))
		return b
	})
}

// keyFaults may happen to removals of many keys.
var keyFaults = []fault{
	passing("busy for one key", 2, keyFault("SlowDown")),
	always("busy for one key always", keyFault("SlowDown"), errPlain),
	always("denied for one key", keyFault("AccessDenied"), sinks.ErrDenied),
}

// listFaults may happen to listings.
var listFaults = []fault{
	passing("cut", 1, cutReply(func(n int) int { return n / 2 })),
	always("cut always", cutReply(func(n int) int { return n - 1 }), errPlain),
	always("not XML", reply(func(_ http.Header, b []byte) []byte { return bytes.Repeat([]byte("x"), len(b)) }), errPlain),
	always("the same page again", reply(func(h http.Header, b []byte) []byte {
		if i := bytes.Index(b, []byte("<Contents>")); i >= 0 {
			j := bytes.LastIndex(b, []byte("</Contents>")) + len("</Contents>")
			b = slices.Concat(b[:j], b[i:])
		}
		h.Set("Content-Length", itoa(len(b)))
		return b
	}), errors.ErrUnsupported),
}

// attempts is how often requests are made in these tests.
const attempts = 3

// A faultPlace is a store behind a proxy.
type faultPlace struct {
	*proxy
	ctx     context.Context
	blobs   sinks.BlobStore
	signals sinks.SignalStore
}

func newFaultPlace(ctx context.Context, t closer, next http.Handler, bucket, prefix string) (*faultPlace, error) {
	p := &faultPlace{proxy: newProxy(t, next), ctx: ctx}
	query := url.Values{"endpoint": {p.URL}, "region": {"us-east-1"}, "attempts": {itoa(attempts)}}
	u := (&url.URL{Scheme: "s3", Host: bucket, Path: "/" + prefix, RawQuery: query.Encode()}).String()
	var err error
	if p.blobs, err = sinks.OpenBlobs(ctx, u); err != nil {
		return nil, err
	}
	if p.signals, err = sinks.OpenSignals(ctx, u); err != nil {
		return nil, err
	}
	return p, p.fill()
}

const oldBlob, newBlob = "dir/old", "dir/new"

func (p *faultPlace) fill() error {
	return errors.Join(
		p.put(p.ctx, oldBlob, 100), p.put(p.ctx, "z", 1), p.put(p.ctx, "y", 1),
		p.signals.Append(p.ctx, series(1, 5)), p.signals.Append(p.ctx, series(6, 10)),
	)
}

func content(name string, size int) []byte {
	return bytes.Repeat([]byte(name+"."), size/len(name)+1)[:size]
}

func (p *faultPlace) put(ctx context.Context, name string, size int) error {
	return p.blobs.Put(ctx, name, int64(size), bytes.NewReader(content(name, size)))
}

// get reads a blob, and wants it whole.
func (p *faultPlace) get(ctx context.Context, name string, size int) error {
	r, n, err := p.blobs.Open(ctx, name)
	if err != nil {
		return err
	}
	b, err := io.ReadAll(r)
	_ = r.Close()
	if err == nil && (n != int64(size) || !bytes.Equal(b, content(name, size))) {
		err = fmt.Errorf("SILENT DAMAGE: blob %s: %d bytes, %d expected", name, len(b), size)
	}
	return err
}

func (p *faultPlace) names(ctx context.Context, want ...string) error {
	list, err := p.blobs.List(ctx, "", "", 0)
	if err != nil {
		return err
	}
	var got []string
	for _, b := range list {
		got = append(got, b.Name)
	}
	if !slices.Equal(got, want) {
		err = fmt.Errorf("SILENT DAMAGE: listing %q, want %q", got, want)
	}
	return err
}

func (p *faultPlace) log(ctx context.Context, from, to uint64) error {
	got, err := p.signals.Read(ctx, 0, 1000)
	if err == nil && !slices.EqualFunc(got, series(from, to), sinks.Signal.Equal) {
		err = fmt.Errorf("SILENT DAMAGE: %d signals, want %d to %d", len(got), from, to)
	}
	return err
}

// retried is for contents that are read whole before anybody sees them: a cut one is read again.
func retried(faults []fault) []fault {
	faults = slices.Clone(faults)
	return append(faults, passing("cut for a while", 2, cutReply(func(n int) int { return n / 2 })))
}

var sentinels = []error{
	sinks.ErrNotFound, sinks.ErrExists, sinks.ErrConflict, sinks.ErrCorrupt, sinks.ErrClosed, sinks.ErrInvalid, sinks.ErrLeased,
	sinks.ErrFenced, sinks.ErrReadOnly, sinks.ErrTooNew, sinks.ErrForeign, sinks.ErrUnknownOutcome, sinks.ErrDenied,
	errors.ErrUnsupported, context.DeadlineExceeded, context.Canceled, s3store.ErrTooLarge,
}

// is reports whether err tells all that was wanted and nothing else.
func is(err, want error) bool {
	for _, sentinel := range sentinels {
		if errors.Is(err, sentinel) != errors.Is(want, sentinel) {
			return false
		}
	}
	return (err == nil) == (want == nil)
}

// suffer makes a call while a fault lasts, and wants its outcome, and everything in order afterwards.
func suffer(p *faultPlace, o *operation, f *fault) error {
	want, r := o.want(f), o.rule
	r.times, r.do = f.times, f.do
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	p.stalled = cancel
	p.arm(&r)
	err := o.run(p, ctx)
	hits := p.hits()
	p.arm(nil)
	switch {
	case hits == 0:
		return errors.New("the fault did not happen")
	case f.times > 0 && hits != f.times:
		return fmt.Errorf("the fault happened %d times of %d", hits, f.times)
	case !is(err, want):
		return fmt.Errorf("got %v, want %v", err, want)
	case err != nil && strings.Contains(err.Error(), "secret"):
		return fmt.Errorf("the error repeats what the server said: %w", err)
	}
	if err := o.settle(p, err); err != nil {
		return fmt.Errorf("afterwards: %w", err)
	}
	return errors.Join(p.signals.Close(), p.blobs.Close())
}

type faultCase struct {
	name   string
	o      *operation
	f      *fault
	result chan error
}

// faultCases are those of some operations, or of all.
func faultCases(names ...string) (cases []faultCase) {
	for i := range operations {
		o := &operations[i]
		if len(names) > 0 && !slices.Contains(names, o.name) {
			continue
		}
		for _, f := range o.faults {
			cases = append(cases, faultCase{o.name + "/" + f.name, o, &f, make(chan error, 1)})
		}
	}
	return cases
}

// sufferAll runs every case in a place of its own, many at once: they mostly wait.
func sufferAll(t *testing.T, cases []faultCase, place func(ctx context.Context, i int) (*faultPlace, error)) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	var group sync.WaitGroup
	t.Cleanup(group.Wait)
	room := make(chan struct{}, 48)
	for i, c := range cases {
		group.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			p, err := place(ctx, i)
			if err == nil {
				err = suffer(p, c.o, c.f)
			}
			c.result <- err
		})
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { must(t, <-c.result) })
	}
}

// TestFaults makes every fault happen to every kind of request, and wants the exact outcome.
func TestFaults(t *testing.T) {
	setCredentials(t)
	sufferAll(t, faultCases(), func(ctx context.Context, _ int) (*faultPlace, error) {
		return newFaultPlace(ctx, t, newFake(), fakeBucket, "place")
	})
}
