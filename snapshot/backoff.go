package snapshot

import (
	"math"
	"math/rand/v2"
	"time"
)

// A Backoff is how long to wait between tries. It has no memory: every job begins with Base. The zero value waits 100
// milliseconds, then twice as long each time, at most 30 seconds.
type Backoff struct {
	Base   time.Duration // behind the first try; 0 means 100 ms
	Factor float64       // from one pause to the next, at least 1.25, which is more than chance takes away; 0 means 2
	Max    time.Duration // no pause is longer; 0 means 30 s, or Base if that is more
}

const (
	backoffBase   = 100 * time.Millisecond
	backoffFactor = 2
	backoffMax    = 30 * time.Second
	backoffLeast  = 1.25
)

func (b *Backoff) setDefaults() {
	if b.Base == 0 {
		b.Base = backoffBase
	}
	if b.Factor == 0 {
		b.Factor = backoffFactor
	}
	if b.Max == 0 {
		b.Max = max(backoffMax, b.Base)
	}
}

func (b *Backoff) validate(p *problems) {
	p.add(b.Base < 0, "Backoff.Base", "%v is negative", b.Base)
	p.add(!(b.Factor >= backoffLeast) || math.IsInf(b.Factor, 0), "Backoff.Factor", "%v; at least %v", b.Factor, backoffLeast)
	p.add(b.Max < b.Base, "Backoff.Max", "%v is below Base", b.Max)
}

// Delay returns the pause behind the given try, counted from 1; what is less counts as 1. Chance varies it by a tenth
// up or down, so that many savers do not try in step.
func (b Backoff) Delay(try int) time.Duration {
	b.setDefaults()
	d := float64(b.Base) * math.Pow(b.Factor, float64(max(try, 1)-1))
	if d *= 0.9 + 0.2*rand.Float64(); d < float64(b.Max) {
		return time.Duration(d)
	}
	return b.Max
}
