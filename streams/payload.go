package streams

import (
	"crypto/sha256"
	"encoding/binary"
)

// A fingerprint stands for a payload: type, canonical data, and the time if the client gave one. 128 bits of SHA-256.
type fingerprint [16]byte

// A text is what an event says, in its canonical form.
type text struct{ data, meta []byte }

// fingerprints returns that of each event and, in their order, that of all of them. It fails on data that is no JSON.
func fingerprints(events []Event, texts []text) (each []fingerprint, all fingerprint) {
	each = make([]fingerprint, len(events))
	var scratch []byte
	whole := make([]byte, 0, len(events)*(sha256.Size+MaxKeyBytes/8))
	for i := range events {
		e := &events[i]
		scratch = binary.AppendUvarint(scratch[:0], uint64(len(e.Type)))
		scratch = append(scratch, e.Type...)
		scratch = appendInstant(scratch, instantOf(e.Time))
		scratch = append(append(append(scratch, texts[i].data...), 0), texts[i].meta...)
		sum := sha256.Sum256(scratch)
		copy(each[i][:], sum[:])
		whole = binary.AppendUvarint(append(whole, sum[:]...), uint64(len(e.ID)))
		whole = append(whole, e.ID...)
	}
	sum := sha256.Sum256(whole)
	copy(all[:], sum[:])
	return each, all
}
