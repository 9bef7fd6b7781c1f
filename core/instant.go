package core

import (
	"math"
	"time"
)

// instant is a moment as a plain comparable value: seconds since 1970 and
// nanoseconds 0..999,999,999, without zone or monotonic reading.
//
// It orders every time.Time exactly. UnixNano covers only 1678 to 2262, and
// time.Time itself compares wrongly within 2,000 years of the end of int64.
type instant struct {
	sec  int64
	nsec int32
}

const nanosPerSecond = int64(time.Second)

var (
	minInstant = instant{sec: math.MinInt64}
	maxInstant = instant{sec: math.MaxInt64, nsec: int32(nanosPerSecond - 1)}
)

func instantOf(t time.Time) instant {
	return instant{sec: t.Unix(), nsec: int32(t.Nanosecond())}
}

// toTime returns the moment in UTC.
func (a instant) toTime() time.Time { return time.Unix(a.sec, int64(a.nsec)).UTC() }

func (a instant) before(b instant) bool {
	return a.sec < b.sec || a.sec == b.sec && a.nsec < b.nsec
}

func (a instant) after(b instant) bool { return b.before(a) }

// compare returns -1, 0 or +1, as slices.SortFunc wants it.
func (a instant) compare(b instant) int {
	if a.before(b) {
		return -1
	}
	if b.before(a) {
		return 1
	}
	return 0
}

// add moves by d and stops at minInstant and maxInstant.
func (a instant) add(d time.Duration) instant {
	seconds, nanos := int64(d)/nanosPerSecond, int64(d)%nanosPerSecond
	nanos += int64(a.nsec)
	switch {
	case nanos < 0:
		nanos += nanosPerSecond
		seconds--
	case nanos >= nanosPerSecond:
		nanos -= nanosPerSecond
		seconds++
	}
	sec := a.sec + seconds
	if seconds < 0 && sec > a.sec {
		return minInstant
	}
	if seconds > 0 && sec < a.sec {
		return maxInstant
	}
	return instant{sec: sec, nsec: int32(nanos)}
}
