package verify

import (
	"os"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	beChild() // returns unless a test started this process to be another one
	goleak.VerifyTestMain(m)
}

// seedOf returns EPHEMERA_SEED, or a seed of the moment, and prints it.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed, err := envNumber("EPHEMERA_SEED", uint64(time.Now().UnixNano()))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("EPHEMERA_SEED=%d", seed)
	return seed
}

// envNumber returns the number in an environment variable, or the default if it is empty.
func envNumber(name string, otherwise uint64) (uint64, error) {
	if text := os.Getenv(name); text != "" {
		return strconv.ParseUint(text, 10, 64)
	}
	return otherwise, nil
}

// envCount is envNumber for how much a test does: 0 would prove nothing.
func envCount(t testing.TB, name string, otherwise uint64) uint64 {
	t.Helper()
	n, err := envNumber(name, otherwise)
	must(t, err)
	if n == 0 && otherwise > 0 {
		t.Fatalf("%s: want at least 1", name)
	}
	return n
}

// pick returns the size for this kind of run.
func pick[N any](long, short, race N) N {
	switch {
	case raceEnabled:
		return race
	case testing.Short():
		return short
	}
	return long
}
