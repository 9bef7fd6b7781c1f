package sinks

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Params reads the query of a driver's URL. Each method names a key that the driver knows and returns its value, or the
// default when the key is absent. Err then reports everything that was wrong at once: values that could not be read,
// keys given twice, and keys that no method asked for. Values are not repeated in errors, because a secret may stand in
// the wrong place, and neither are keys that no driver could have: they may be a piece of a secret. Params is for one
// goroutine.
type Params struct {
	left     url.Values
	problems []error
}

// NewParams reads the query of u.
func NewParams(u *url.URL) *Params {
	p := &Params{}
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		p.problems = append(p.problems, fmt.Errorf("%w: malformed query", ErrInvalid))
	}
	p.left = values
	return p
}

// take returns the value of a key; ok is false when it is absent or given twice.
func (p *Params) take(key string) (value string, ok bool) {
	values := p.left[key]
	delete(p.left, key)
	if len(values) > 1 {
		p.problems = append(p.problems, fmt.Errorf("%w: query key %s is given %d times", ErrInvalid, key, len(values)))
	}
	if len(values) != 1 {
		return "", false
	}
	return values[0], true
}

func (p *Params) reject(key, want string) {
	p.problems = append(p.problems, fmt.Errorf("%w: query key %s must be %s", ErrInvalid, key, want))
}

// String returns the value of key as it is.
func (p *Params) String(key, otherwise string) string {
	if value, ok := p.take(key); ok {
		return value
	}
	return otherwise
}

// Choice returns the value of key, which must be one of choices.
func (p *Params) Choice(key, otherwise string, choices ...string) string {
	value, ok := p.take(key)
	if !ok {
		return otherwise
	}
	if !slices.Contains(choices, value) {
		p.reject(key, "one of "+strings.Join(choices, ", "))
		return otherwise
	}
	return value
}

// Bool returns the value of key, true or false.
func (p *Params) Bool(key string, otherwise bool) bool {
	text := strconv.FormatBool(otherwise)
	return p.Choice(key, text, "true", "false") == "true"
}

// Int returns the value of key, a decimal number from low to high.
func (p *Params) Int(key string, otherwise, low, high int64) int64 {
	value, ok := p.take(key)
	if !ok {
		return otherwise
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < low || n > high {
		p.reject(key, fmt.Sprintf("a number from %d to %d", low, high))
		return otherwise
	}
	return n
}

// Duration returns the value of key, such as 5s or 1h30m, from low to high.
func (p *Params) Duration(key string, otherwise, low, high time.Duration) time.Duration {
	value, ok := p.take(key)
	if !ok {
		return otherwise
	}
	d, err := time.ParseDuration(value)
	if err != nil || d < low || d > high {
		p.reject(key, fmt.Sprintf("a duration such as 5s, from %v to %v", low, high))
		return otherwise
	}
	return d
}

var units = []struct {
	suffix string
	bytes  int64
}{
	// The longer suffix first: "B" ends them all.
	{"KiB", 1 << 10},
	{"MiB", 1 << 20},
	{"GiB", 1 << 30},
	{"TiB", 1 << 40},
	{"kB", 1e3},
	{"MB", 1e6},
	{"GB", 1e9},
	{"TB", 1e12},
	{"B", 1},
	{"", 1},
}

// Size returns the value of key in bytes, such as 8MiB, 64kB or 1000, from low to high.
func (p *Params) Size(key string, otherwise, low, high int64) int64 {
	value, ok := p.take(key)
	if !ok {
		return otherwise
	}
	n, ok := parseSize(value)
	if !ok || n < low || n > high {
		p.reject(key, fmt.Sprintf("a size such as 8MiB, from %d to %d bytes", low, high))
		return otherwise
	}
	return n
}

func parseSize(text string) (int64, bool) {
	for _, unit := range units {
		digits, found := strings.CutSuffix(text, unit.suffix)
		if !found {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 63)
		if err != nil || n > math.MaxInt64/uint64(unit.bytes) {
			return 0, false
		}
		return int64(n) * unit.bytes, true
	}
	return 0, false
}

// Err returns all problems together, or nil. Call it after all other methods.
func (p *Params) Err() error {
	problems := slices.Clone(p.problems)
	for _, key := range slices.Sorted(maps.Keys(p.left)) {
		problems = append(problems, fmt.Errorf("%w: unknown query key %s", ErrInvalid, shownKey(key)))
	}
	return errors.Join(problems...)
}
