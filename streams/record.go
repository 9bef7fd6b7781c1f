package streams

import (
	"encoding/binary"
	"fmt"
	"time"
)

// A Record is an event as the core store keeps it.
type Record struct {
	id, typ  string
	data     []byte
	meta     []byte  // nil for most
	appended instant // never before that of the event before it in the stream
	at       instant // of the client; the zero instant: appended
}

// An instant is a time without location: 12 bytes instead of 24.
type instant struct {
	sec  int64
	nsec int32
	set  bool
}

func instantOf(t time.Time) instant {
	if t.IsZero() {
		return instant{}
	}
	return instant{t.Unix(), int32(t.Nanosecond()), true}
}

func (i instant) time() time.Time {
	if !i.set {
		return time.Time{}
	}
	return time.Unix(i.sec, int64(i.nsec)).UTC()
}

func (i instant) before(o instant) bool { return i.sec < o.sec || i.sec == o.sec && i.nsec < o.nsec }

// Appended returns when the event was appended.
func (r *Record) Appended() time.Time { return r.appended.time() }

func (r *Record) size() int {
	return len(r.id) + len(r.typ) + len(r.data) + len(r.meta) + EventOverhead
}

func (r *Record) event(stream string, version uint64) Event {
	at := r.at
	if !at.set {
		at = r.appended
	}
	return Event{ID: r.id, Type: r.typ, Time: at.time(), Data: r.data, Meta: r.meta, Stream: stream, Version: version}
}

// Codec writes Records for snapshots; it is a snapshot.Codec[Record].
type Codec struct{}

// Name returns "streams.v1".
func (Codec) Name() string { return "streams.v1" }

// Append appends the encoding of records to dst.
func (Codec) Append(dst []byte, records []Record) ([]byte, error) {
	for i := range records {
		r := &records[i]
		for _, s := range []string{r.id, r.typ} {
			dst = append(binary.AppendUvarint(dst, uint64(len(s))), s...)
		}
		for _, b := range [][]byte{r.data, r.meta} {
			dst = append(binary.AppendUvarint(dst, uint64(len(b))), b...)
		}
		dst = appendInstant(appendInstant(dst, r.appended), r.at)
	}
	return dst, nil
}

func appendInstant(b []byte, i instant) []byte {
	if !i.set {
		return append(b, 0)
	}
	b = binary.AppendVarint(append(b, 1), i.sec)
	return binary.AppendUvarint(b, uint64(i.nsec))
}

// Decode appends n records to dst.
func (Codec) Decode(dst []Record, src []byte, n int) ([]Record, error) {
	d := decoder{rest: src}
	for range n {
		r := Record{id: d.text(MaxKeyBytes), typ: d.text(MaxTypeBytes), data: []byte(d.text(MaxDataBytes))}
		if m := d.text(MaxDataBytes); m != "" {
			r.meta = []byte(m)
		}
		r.appended, r.at = d.instant(), d.instant()
		if d.err != nil {
			return dst, d.err
		}
		dst = append(dst, r)
	}
	return dst, d.end()
}

// decoder reads fields until the first that is wrong.
type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) fail(what string) {
	if d.err == nil {
		d.err = fmt.Errorf("streams: not what was saved: %s", what)
	}
	d.rest = nil
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.fail("malformed number")
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.fail("malformed number")
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) bytes(n uint64) []byte {
	if n > uint64(len(d.rest)) {
		d.fail("truncated")
		return nil
	}
	b := d.rest[:n:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) text(most int) string {
	n := d.uvarint()
	if n > uint64(most) {
		d.fail("a text that is too long")
	}
	return string(d.bytes(n))
}

// count reads how many things of at least size bytes follow.
func (d *decoder) count(size int) int {
	n := d.uvarint()
	if n > uint64(len(d.rest)/size) {
		d.fail("too many entries")
		return 0
	}
	return int(n)
}

func (d *decoder) instant() instant {
	switch b := d.bytes(1); {
	case len(b) == 0 || b[0] > 1:
		d.fail("malformed time")
		return instant{}
	case b[0] == 0:
		return instant{}
	}
	i := instant{sec: d.varint(), set: true}
	if n := d.uvarint(); n < 1e9 {
		i.nsec = int32(n)
	} else {
		d.fail("malformed time")
	}
	return i
}

func (d *decoder) end() error {
	if d.err == nil && len(d.rest) > 0 {
		d.fail("bytes left over")
	}
	return d.err
}
