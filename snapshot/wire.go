package snapshot

import (
	"encoding/binary"
	"math"
	"time"
)

// reader takes fields from bytes; after the first that is wrong, all are zero.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = corrupt(format, args...)
	}
	r.rest = nil
}

func (r *reader) bytes(n int) []byte {
	if n < 0 || n > len(r.rest) {
		r.fail("%d bytes where %d are wanted", len(r.rest), n)
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

// uvarint takes a number in its shortest form only, so that what was read is written the same.
func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || n > 1 && r.rest[n-1] == 0 {
		r.fail("malformed number")
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) varint() int64 {
	u := r.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

// count reads how many things follow, each of at least size bytes, so that the number is good for an allocation.
func (r *reader) count(size int) int {
	n := r.uvarint()
	if n > uint64(len(r.rest)/size) {
		r.fail("%d entries in %d bytes", n, len(r.rest))
		return 0
	}
	return int(n)
}

// below reads a number below limit.
func (r *reader) below(limit uint64) uint64 {
	n := r.uvarint()
	if n >= limit {
		r.fail("number %d; less than %d is wanted", n, limit)
		return 0
	}
	return n
}

func (r *reader) number(limit int) int { return int(r.below(uint64(limit))) }

func (r *reader) text() string { return string(r.bytes(r.count(1))) }

func (r *reader) u32() uint32 {
	if b := r.bytes(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// time reads what appendTime wrote: every time.Time.
func (r *reader) time() time.Time {
	sec, nsec := r.varint(), r.number(1e9)
	if r.err != nil {
		return time.Time{}
	}
	return time.Unix(sec, int64(nsec)).UTC()
}

// end returns the first thing that was wrong, bytes left over included.
func (r *reader) end() error {
	if r.err == nil && len(r.rest) > 0 {
		r.fail("%d bytes left over", len(r.rest))
	}
	return r.err
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendTime(b []byte, t time.Time) []byte {
	return binary.AppendUvarint(binary.AppendVarint(b, t.Unix()), uint64(t.Nanosecond()))
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

func (r *reader) bool() bool { return r.number(2) == 1 }

const maxInt = math.MaxInt
