package filestore

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

// FuzzPayload gives the decoder hostile payloads. What it accepts must be valid, and encoding it again must give the
// same signals.
func FuzzPayload(f *testing.F) {
	batch := []sinks.Signal{
		{Sequence: 3, Time: time.Unix(5, 6), Name: "a", Key: "b", Operation: 7, Path: []string{"c"}, Data: []byte("d")},
		{Sequence: 1 << 60, Time: time.Unix(-1, 999_999_999), Name: "e"},
	}
	f.Add(appendBatch(nil, batch))
	f.Add(trimPayload(300)[recordHead:])
	f.Add([]byte{kindBatch, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Add([]byte{9})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := decodePayload(b)
		if err != nil {
			if !errors.Is(err, sinks.ErrCorrupt) && !errors.Is(err, sinks.ErrTooNew) {
				t.Fatal(err)
			}
			return
		}
		if p.batch == nil {
			return
		}
		again, err := decodePayload(appendBatch(nil, p.batch))
		if err != nil || !slices.EqualFunc(p.batch, again.batch, sinks.Signal.Equal) {
			t.Fatalf("%+v became %+v, error %v", p.batch, again.batch, err)
		}
	})
}

// FuzzLog gives a store a hostile file behind a header that is right. It opens or is refused with a sentinel, and what
// it returns can be read again and appended to.
func FuzzLog(f *testing.F) {
	h := header{store: 1, number: 1}
	record := appendBatch(make([]byte, recordHead), []sinks.Signal{{Sequence: 1, Name: "a"}})
	place{store: 1, number: 1, offset: headerSize}.seal(record)
	f.Add(record)
	f.Add(append(slices.Clone(record), 0))
	f.Add(bytes.Repeat([]byte{0}, 40))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := newCrashFS()
		file, err := c.Create(logName(1))
		if err == nil {
			_, err = file.WriteAt(append(h.encode(), b...), 0)
		}
		if err != nil {
			t.Fatal(err)
		}
		s, err := tryCrash(t.Context(), c)
		if err != nil {
			if !errors.Is(err, sinks.ErrCorrupt) && !errors.Is(err, sinks.ErrTooNew) {
				t.Fatal(err)
			}
			return
		}
		stat, err := s.Stat(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		signals, err := s.Read(t.Context(), 0, 1000)
		if err != nil || stat.Count < uint64(len(signals)) {
			t.Fatal(stat, len(signals), err)
		}
		if stat.Last < sinks.MaxSequence {
			err = s.Append(t.Context(), []sinks.Signal{{Sequence: stat.Last + 1, Name: "next"}})
		}
		if err := errors.Join(err, s.Close()); err != nil {
			t.Fatal(err)
		}
	})
}
