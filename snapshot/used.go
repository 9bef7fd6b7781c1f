package snapshot

import (
	"encoding/binary"
)

// numbersSection holds the number behind the greatest that a partition ever had, if the partitions that had the last ones
// were removed: a number must not come back while the epoch goes on, for then positions would.
const numbersSection = "snapshot:numbers"

func (m *Manifest) behindLast() int {
	if n := len(m.Partitions); n > 0 {
		return m.Partitions[n-1].Number + 1
	}
	return 0
}

// appendNumbers appends the section, if there is need for it.
func appendNumbers(list []Section, m *Manifest, next int) []Section {
	if next <= m.behindLast() {
		return list
	}
	return append(list, Section{numbersSection, binary.AppendUvarint(nil, uint64(next))})
}

// lastNumber returns the greatest number that was ever used, if its partition was removed; else -1.
func lastNumber(m *Manifest) (int, error) {
	data, ok := m.section(numbersSection)
	if !ok {
		return -1, nil
	}
	r := &reader{rest: data}
	next := r.number(maxPartitions + 1)
	if err := r.end(); err != nil {
		return 0, err
	}
	if next <= m.behindLast() {
		return 0, corrupt("section %q: number %d is in use", numbersSection, next)
	}
	return next - 1, nil
}
