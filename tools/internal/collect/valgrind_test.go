package collect

import (
	"errors"
	"math"
	"testing"
)

func TestLoopsFor(t *testing.T) {
	const setUp = 60_000_000
	for _, cost := range []uint64{1, 7, 91, 5_000, 4_000_000, 900_000_000} {
		count := func(n int) (uint64, error) { return setUp + uint64(n)*cost, nil }
		l, err := loopsFor(count)
		if err != nil || l.short < 2 || l.long <= l.short {
			t.Errorf("cost %d: %+v, %v", cost, l, err)
			continue
		}
		span := uint64(l.long-l.short) * cost
		if span < spanInstructions/2 || span > max(2*spanInstructions, cost) {
			t.Errorf("cost %d: loops %+v are %d instructions apart", cost, l, span)
		}
		if got, err := perOperation(l, count); err != nil || math.Abs(got-float64(cost)) > 1e-9 {
			t.Errorf("cost %d: measured %v, %v", cost, got, err)
		}
	}
}

// Some hundred thousand instructions more or fewer must not lead to loops that are far too short or long.
func TestLoopsForNoise(t *testing.T) {
	i := uint64(0)
	count := func(n int) (uint64, error) {
		i++
		return 60_000_000 + uint64(n)*91 + i*7919*7919%500_000, nil
	}
	l, err := loopsFor(count)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if got, err := perOperation(l, count); err != nil || math.Abs(got/91-1) > 0.0026 {
			t.Errorf("%+v: %v, %v", l, got, err)
		}
	}
}

func TestLoopsRefuse(t *testing.T) {
	free := func(int) (uint64, error) { return 1000, nil }
	if l, err := loopsFor(free); !errors.Is(err, ErrProcess) {
		t.Errorf("an operation that costs nothing: %+v, %v", l, err)
	}
	shrinking := func(n int) (uint64, error) { return uint64(1_000_000 - n), nil }
	if v, err := perOperation(loops{10, 100}, shrinking); !errors.Is(err, ErrProcess) {
		t.Errorf("a longer loop that costs less: %v, %v", v, err)
	}
	broken := errors.New("broken")
	for after := range 3 {
		n := 0
		count := func(int) (uint64, error) {
			if n++; n > after {
				return 0, broken
			}
			return uint64(n), nil
		}
		if _, err := loopsFor(count); !errors.Is(err, broken) {
			t.Errorf("loopsFor: %v", err)
		}
		n = 0
		if _, err := perOperation(loops{1, 2}, count); (after < 2) != errors.Is(err, broken) {
			t.Errorf("perOperation: %v", err)
		}
	}
}
