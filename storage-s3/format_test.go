package s3store

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"math"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/minio/minio-go/v7"

	"github.com/ephemera-go/ephemera/sinks"
)

var goldenBatch = []sinks.Signal{
	{Sequence: 3, Time: time.Unix(1_700_000_000, 123_456_789).UTC(), Name: "order.completed", Key: "order-7", Operation: 9, Path: []string{"a", "b"}, Data: []byte{0, 1}},
	{Sequence: 1 << 40, Time: time.Unix(-1, 999_999_999).UTC(), Name: "e"},
}

func goldenHeader() *header {
	return &header{ordinal: 5, generation: 2, previous: 2, last: 1 << 40, first: 3, before: 7, count: 2, offset: 1000}
}

func goldenObject(t testing.TB) []byte {
	t.Helper()
	b, err := encodeObject(goldenHeader(), goldenBatch)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestFormat: what docs/formats/signal-objects.md says, byte for byte.
func TestFormat(t *testing.T) {
	text, err := os.ReadFile("testdata/object-1.hex")
	if err != nil {
		t.Fatal(err)
	}
	want, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil {
		t.Fatal(err)
	}
	if got := goldenObject(t); !bytes.Equal(got, want) {
		t.Errorf("the object is now\n%s", hex.Dump(got))
	}
	o, err := decodeObject(want, 5)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(goldenBatch, o.signals); diff != "" {
		t.Errorf("signals (-want +got):\n%s", diff)
	}
	if o.ordinal != 5 || o.total() != 9 || o.size() != uint64(len(want)) {
		t.Errorf("header %+v", o.header)
	}
	if name := ordinalName(5); name != "fffffffffffffffa" {
		t.Errorf("the object of ordinal 5 is called %s", name)
	}
}

// TestEveryDamageIsFound flips every bit and cuts at every length.
func TestEveryDamageIsFound(t *testing.T) {
	good := goldenObject(t)
	for i := range good {
		for bit := range 8 {
			b := slices.Clone(good)
			b[i] ^= 1 << bit
			if _, err := decodeObject(b, 5); !known(err) {
				t.Fatalf("bit %d of byte %d: %v", bit, i, err)
			}
		}
		if _, err := decodeObject(good[:i], 5); !known(err) {
			t.Fatalf("cut to %d bytes: %v", i, err)
		}
	}
	if _, err := decodeObject(append(slices.Clone(good), 0), 5); !errors.Is(err, sinks.ErrCorrupt) {
		t.Errorf("longer: %v", err)
	}
	if _, err := decodeObject(good, 6); !errors.Is(err, sinks.ErrCorrupt) {
		t.Errorf("in the place of another one: %v", err)
	}
	newer := slices.Clone(good)
	newer[8] = 2
	seal(newer)
	if _, err := decodeObject(newer, 5); !errors.Is(err, sinks.ErrTooNew) {
		t.Errorf("newer: %v", err)
	}
}

func known(err error) bool {
	return errors.Is(err, sinks.ErrCorrupt) || errors.Is(err, sinks.ErrForeign) || errors.Is(err, sinks.ErrTooNew)
}

// seal makes the checksums of a hostile object right.
func seal(b []byte) {
	if len(b) < headerSize {
		return
	}
	h := header{length: uint32(len(b) - headerSize), sum: checksum(b[headerSize:])}
	whole := slices.Clone(b[:headerSize])
	h.encode(whole)
	copy(b[72:80], whole[72:80])
	copy(b, magic)
	sum := checksum(b[:92])
	b[92], b[93], b[94], b[95] = byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24)
}

// FuzzObject decodes hostile objects whose checksums are right. What is accepted is valid, encodes to what decodes to the
// same, and never takes more memory than the bytes account for.
func FuzzObject(f *testing.F) {
	good := goldenObject(f)
	f.Add(good)
	f.Add(good[:headerSize])
	huge := slices.Clone(good)
	huge[16+8*5+7] = 0x7f // the number of signals
	f.Add(huge)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= 10 {
			b[8], b[9] = 1, 0
		}
		seal(b)
		o, err := decodeObject(b, 5)
		if err != nil {
			if !known(err) {
				t.Fatal(err)
			}
			return
		}
		if uint64(len(o.signals)) != o.count || len(o.signals) > len(b)/leastSignal {
			t.Fatalf("%d signals from %d bytes", len(o.signals), len(b))
		}
		again, err := encodeObject(&o.header, o.signals)
		if err != nil {
			t.Fatal(err)
		}
		o2, err := decodeObject(again, 5)
		if err != nil || !slices.EqualFunc(o.signals, o2.signals, sinks.Signal.Equal) {
			t.Fatalf("%+v became %+v, %v", o.signals, o2, err)
		}
	})
}

func FuzzState(f *testing.F) {
	f.Add([]byte(`{"format":1,"generation":3,"held":true,"owner":"a","ttl_ms":10000,"trimmed":4,"first":2}`))
	f.Add([]byte(`{"format":2}`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeState(b)
		if err != nil && !known(err) {
			t.Fatal(err)
		}
		if err == nil && (s.Trimmed > sinks.MaxSequence || s.first() == 0 || expired(&s, object{})) {
			t.Fatalf("%+v", s)
		}
		_ = gone(&s)
	})
}

func FuzzOrdinalName(f *testing.F) {
	f.Add("fffffffffffffffe", uint64(1))
	f.Add("FFFFFFFFFFFFFFFE", uint64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, name string, ordinal uint64) {
		if n, ok := parseOrdinal(name); ok && (n == 0 || ordinalName(n) != name) {
			t.Errorf("%q is %d", name, n)
		}
		if ordinal &= math.MaxInt64; ordinal == 0 {
			return
		}
		if n, ok := parseOrdinal(ordinalName(ordinal)); !ok || n != ordinal {
			t.Errorf("%d came back as %d", ordinal, n)
		}
		if ordinal > 1 && ordinalName(ordinal) >= ordinalName(ordinal-1) {
			t.Errorf("%d does not come before %d", ordinal, ordinal-1)
		}
	})
}

// TestPause: waiting is random, doubles up to its limit, and ends with the context.
func TestPause(t *testing.T) {
	was := firstPause
	firstPause = 100 * time.Millisecond
	defer func() { firstPause = was }()
	synctest.Test(t, func(t *testing.T) {
		for attempts, longest := range map[int]time.Duration{1: 100, 2: 200, 3: 400, 5: 1600, 6: 2000, 60: 2000} {
			longest *= time.Millisecond
			var most time.Duration
			for range 200 {
				begin := time.Now()
				if err := pause(t.Context(), attempts); err != nil {
					t.Fatal(err)
				}
				most = max(most, time.Since(begin))
			}
			if most > longest || most < longest*3/4 {
				t.Errorf("after %d attempts at most %v of 200 times; the limit is %v", attempts, most, longest)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		begin := time.Now()
		if err := pause(ctx, 6); !errors.Is(err, context.Canceled) || time.Since(begin) != 0 {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}

// TestJudge: what a failed request did, as far as that can be known.
func TestJudge(t *testing.T) {
	transport := func(err error) error { return &url.Error{Op: "Put", URL: "http://h/b/k", Err: err} }
	reply := func(status int, code string) error { return minio.ErrorResponse{StatusCode: status, Code: code} }
	for _, c := range []struct {
		err  error
		want fate
	}{
		{transport(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}), transient},
		{transport(&net.OpError{Op: "read", Err: syscall.ECONNRESET}), unsure},
		{transport(&net.OpError{Op: "write", Err: syscall.EPIPE}), unsure},
		{transport(&tls.CertificateVerificationError{Err: errors.New("unknown authority")}), refused},
		{transport(errors.New("http: server gave HTTP response to HTTPS client")), refused},
		{transport(errors.New("Connection closed by foreign host http://h/b/k. Retry again.")), unsure},
		{io.ErrUnexpectedEOF, unsure},
		{errNoETag, unsure},
		{stop{sinks.ErrLeased}, refused},
		{reply(412, "PreconditionFailed"), lost},
		{reply(412, "412 Precondition Failed"), lost},
		{reply(503, "SlowDown"), transient},
		{reply(503, "503 Service Unavailable"), unsure},
		{reply(500, "InternalError"), unsure},
		{reply(409, "ConditionalRequestConflict"), transient},
		{reply(429, "429 Too Many Requests"), transient},
		{reply(408, ""), transient},
		{reply(400, "EntityTooLarge"), refused},
		{reply(403, "AccessDenied"), refused},
		{reply(404, "NoSuchKey"), refused},
		{reply(301, "PermanentRedirect"), refused},
		{reply(501, "NotImplemented"), refused},
		{reply(507, "XMinioStorageFull"), refused},
		{reply(0, "AccessDenied"), refused},
		{reply(0, "InternalError"), unsure},
		{reply(200, "200 OK"), unsure},
		{reply(0, "SlowDown"), transient},
	} {
		if got := judge(c.err); got != c.want {
			t.Errorf("%v: %d, want %d", c.err, got, c.want)
		}
		if got := judge(translate(c.err)); got != c.want {
			t.Errorf("%v, translated: %d, want %d", c.err, got, c.want)
		}
		if text := translate(c.err).Error(); strings.Contains(text, "http://") {
			t.Errorf("%q shows a URL", text)
		}
	}
}

// TestPlan: objects are fetched together up to a number and up to a size, a larger one by itself.
func TestPlan(t *testing.T) {
	const mib = 1 << 20
	sizes := make(map[uint64]int64)
	for ordinal, size := range []int64{0, mib, mib, mib, 4 * mib, 2 * mib, 60 * mib, 60 * mib, mib, 8 * mib} {
		sizes[uint64(ordinal)] = size
	}
	s := &signalStore{}
	for _, c := range []struct {
		r      run
		wanted int
		want   int
	}{
		{run{1, 9}, 1, 1},
		{run{1, 9}, 2, 2},
		{run{1, 9}, 16, 4},
		{run{4, 9}, 16, 2},
		{run{6, 9}, 16, 1},
		{run{7, 9}, 16, 1},
		{run{8, 9}, 16, 1},
		{run{9, 1}, 16, 1},
		{run{8, 1}, 16, 1},
		{run{5, 1}, 4, 4},
		{run{4, 1}, 16, 4},
		{run{5, 3}, 16, 3},
		{run{3, 1}, 16, 3},
		{run{2, 2}, 16, 1},
	} {
		if n, err := s.plan(t.Context(), c.r, 0, c.wanted, sizes); n != c.want || err != nil {
			t.Errorf("of %v, at most %d: %d, %v; want %d", c.r, c.wanted, n, err, c.want)
		}
	}
}

// TestExpired: a lease is never over early, although the times are cut to the second.
func TestExpired(t *testing.T) {
	changed := time.Unix(1_700_000_000, 0)
	for age, want := range map[time.Duration]bool{0: false, time.Second: false, 10 * time.Second: false, 11 * time.Second: true, -time.Hour: false} {
		if got := expired(&state{TTL: 10_000}, object{changed: changed, now: changed.Add(age)}); got != want {
			t.Errorf("a lease of 10 s is over after %v: %v", age, got)
		}
	}
	if expired(&state{TTL: 10_000}, object{changed: changed}) {
		t.Error("a lease is over though nobody knows the time")
	}
}
