package streams

import (
	"encoding/json"
	"fmt"
	"time"
)

// Typed turns values into events and back, with encoding/json. The zero value is ready.
type Typed[T any] struct {
	Type string             // of the events; empty: none, and Value takes any
	ID   func(*T) string    // idempotency key of the event of a value; nil: none
	Time func(*T) time.Time // when it happened; nil: when it is appended
}

// Events returns the events of values, in their order. An error is ErrInvalid and names the value by its index; then there
// are no events.
func (y Typed[T]) Events(values ...T) ([]Event, error) {
	events := make([]Event, len(values))
	for i := range values {
		e, err := y.event(&values[i])
		if err != nil {
			return nil, wrap("encode", "", &placeError{Index: i, Err: fmt.Errorf("%w: %T: %w", ErrInvalid, values[i], err)})
		}
		events[i] = e
	}
	return events, nil
}

func (y Typed[T]) event(v *T) (e Event, err error) {
	e.Type = y.Type
	if y.ID != nil {
		e.ID = y.ID(v)
	}
	if y.Time != nil {
		e.Time = y.Time(v)
	}
	e.Data, err = json.Marshal(v)
	return e, err
}

// Value returns what an event carries. An event of another type, or whose data do not fit, is ErrInvalid.
func (y Typed[T]) Value(e Event) (T, error) {
	var v T
	if y.Type != "" && e.Type != y.Type {
		return v, wrap("decode", e.Stream, fmt.Errorf("%w: version %d is of type %q, not %q", ErrInvalid, e.Version, e.Type, y.Type))
	}
	if err := json.Unmarshal(e.Data, &v); err != nil {
		return v, wrap("decode", e.Stream, fmt.Errorf("%w: version %d is no %T: %w", ErrInvalid, e.Version, v, err))
	}
	return v, nil
}
