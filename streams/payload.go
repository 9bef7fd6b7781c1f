package streams

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// A fingerprint stands for a payload: type, canonical data and meta, and the time if the client gave one. 128 bits of SHA-256.
type fingerprint [16]byte

// A text is what an event says, in its canonical form.
type text struct{ data, meta []byte }

// fingerprints returns that of each event.
func fingerprints(events []Event, texts []text) []fingerprint {
	each := make([]fingerprint, len(events))
	var scratch []byte
	for i := range events {
		scratch = appendPayload(scratch[:0], &events[i], &texts[i])
		sum := sha256.Sum256(scratch)
		copy(each[i][:], sum[:])
	}
	return each
}

func appendPayload(b []byte, e *Event, t *text) []byte {
	b = slices.Grow(b, len(e.Type)+len(t.data)+len(t.meta)+32)
	b = append(binary.AppendUvarint(b, uint64(len(e.Type))), e.Type...)
	b = appendInstant(b, instantOf(e.Time))
	return append(append(append(b, t.data...), 0), t.meta...)
}

// wholeFingerprint returns that of all events, their ids and their order.
func wholeFingerprint(events []Event, texts []text) (all fingerprint) {
	var scratch, whole []byte
	for i := range events {
		scratch = appendPayload(scratch[:0], &events[i], &texts[i])
		sum := sha256.Sum256(scratch)
		whole = binary.AppendUvarint(append(whole, sum[:]...), uint64(len(events[i].ID)))
		whole = append(whole, events[i].ID...)
	}
	sum := sha256.Sum256(whole)
	copy(all[:], sum[:])
	return all
}
