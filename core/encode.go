package core

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// ErrEncoding says that bytes are not the binary form of a Summary or Histogram.
var ErrEncoding = errors.New("core: not the binary form of this aggregate")

const encodingVersion = 1

// AppendBinary appends the binary form of s; it never fails. UnmarshalBinary of the same version reads it, and so will
// those of later ones.
func (s Summary) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, encodingVersion)
	b = binary.AppendUvarint(b, s.Count)
	b = binary.AppendUvarint(b, s.NonFinite)
	for _, v := range []float64{s.Sum, s.Min, s.Max, s.lost} {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	return b, nil
}

// MarshalBinary is AppendBinary into a new slice.
func (s Summary) MarshalBinary() ([]byte, error) { return s.AppendBinary(nil) }

// UnmarshalBinary sets s to what AppendBinary wrote, or returns ErrEncoding and leaves s as it is.
func (s *Summary) UnmarshalBinary(data []byte) error {
	d := decoder{rest: data}
	d.version()
	n := Summary{Count: d.uvarint(), NonFinite: d.uvarint()}
	n.Sum, n.Min, n.Max, n.lost = d.float(), d.float(), d.float(), d.float()
	if n.Min > n.Max {
		d.fail("minimum above maximum")
	}
	if err := d.end("summary"); err != nil {
		return err
	}
	*s = n
	return nil
}

// AppendBinary appends the binary form of h; it never fails. UnmarshalBinary of the same version reads it, and so will
// those of later ones.
func (h *Histogram) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, encodingVersion)
	for _, n := range []uint64{h.count, h.nonFinite, h.buckets.zeros} {
		b = binary.AppendUvarint(b, n)
	}
	for _, v := range []float64{h.min, h.max} {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	for i, n := range h.buckets.index {
		if n == 0 {
			continue
		}
		slot := h.buckets.first + uint32(i)
		for sub, count := range h.buckets.page(n, new(histPage)) {
			if count > 0 {
				b = binary.AppendUvarint(b, uint64(slot)*histSubs+uint64(sub))
				b = binary.AppendUvarint(b, count)
			}
		}
	}
	return b, nil
}

// MarshalBinary is AppendBinary into a new slice.
func (h *Histogram) MarshalBinary() ([]byte, error) { return h.AppendBinary(nil) }

// UnmarshalBinary sets h to what AppendBinary wrote, or returns ErrEncoding and leaves h as it is.
func (h *Histogram) UnmarshalBinary(data []byte) error {
	d := decoder{rest: data}
	d.version()
	n := Histogram{count: d.uvarint(), nonFinite: d.uvarint()}
	n.buckets.zeros = d.uvarint()
	n.min, n.max = d.float(), d.float()
	total, last := n.buckets.zeros, int64(-1)
	for d.err == nil && len(d.rest) > 0 {
		key, count := d.uvarint(), d.uvarint()
		switch {
		case d.err != nil:
		case key >= histSlots*histSubs || int64(key) <= last:
			d.fail("bucket out of range or order")
		case count == 0 || count > n.count:
			d.fail("count of a bucket")
		default:
			n.buckets.put(n.buckets.place(uint32(key/histSubs)), uint32(key%histSubs), count)
			total, last = total+count, int64(key)
		}
	}
	if total != n.count || !(n.min <= n.max) {
		d.fail("totals")
	}
	if err := d.end("histogram"); err != nil {
		return err
	}
	*h = n
	return nil
}

// decoder reads fields until the first that is wrong.
type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) fail(what string) {
	if d.err == nil {
		d.err = errors.New(what)
	}
}

func (d *decoder) version() {
	if len(d.rest) == 0 || d.rest[0] != encodingVersion {
		d.fail("version")
		return
	}
	d.rest = d.rest[1:]
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.fail("truncated")
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) float() float64 {
	if len(d.rest) < 8 {
		d.fail("truncated")
		return 0
	}
	v := math.Float64frombits(binary.LittleEndian.Uint64(d.rest))
	d.rest = d.rest[8:]
	return v
}

// end returns what was wrong, bytes left over included.
func (d *decoder) end(what string) error {
	if len(d.rest) > 0 {
		d.fail("bytes left over")
	}
	if d.err == nil {
		return nil
	}
	return fmt.Errorf("%w: %s: %w", ErrEncoding, what, d.err)
}
