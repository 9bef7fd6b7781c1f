package streams

import "time"

// keyMemory remembers which idempotency keys were used and for what: at most so many, for so long. The oldest are forgotten
// first.
type keyMemory struct {
	known map[string]*keyEntry
	order []*keyEntry // oldest first, from head on
	head  int
	gone  uint64 // how many were forgotten
}

type keyEntry struct {
	key         string
	print       fingerprint
	first, last uint64 // versions that the append got
	at          instant
}

// find returns what is known of a key.
func (m *keyMemory) find(key string) *keyEntry { return m.known[key] }

func (m *keyMemory) len() int { return len(m.known) }

// add remembers a key, which is not known, and forgets what is beyond the limit.
func (m *keyMemory) add(e keyEntry, most int) {
	if m.known == nil {
		m.known = map[string]*keyEntry{}
	}
	x := &e
	m.known[x.key] = x
	m.order = append(m.order, x)
	for len(m.known) > most {
		m.drop()
	}
}

// expire forgets keys from before a moment.
func (m *keyMemory) expire(before instant) {
	for m.head < len(m.order) && m.order[m.head].at.before(before) {
		m.drop()
	}
}

func (m *keyMemory) drop() {
	delete(m.known, m.order[m.head].key)
	m.order[m.head] = nil
	m.gone++
	if m.head++; m.head > 64 && m.head > len(m.order)/2 {
		m.order = append([]*keyEntry(nil), m.order[m.head:]...)
		m.head = 0
	}
}

// each yields what is known, oldest first.
func (m *keyMemory) each(yield func(*keyEntry)) {
	for _, e := range m.order[m.head:] {
		yield(e)
	}
}

func ago(now time.Time, d time.Duration) instant { return instantOf(now.Add(-d)) }
