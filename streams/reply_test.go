package streams

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/ephemera-go/ephemera/core"
)

// What the handler writes by hand is what the client reads.
func TestResultsAreReadAsTheyAreWritten(t *testing.T) {
	for _, r := range []Result{
		{},
		{Stream: `a/"b"\<é>🦊`, First: 1, Last: 1<<64 - 1, Epoch: core.Epoch{1, 0xff}, Duplicate: true},
	} {
		var got wireResult
		if err := json.Unmarshal(appendResult(nil, &r, r.Epoch.String(), `"memory"`), &got); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(wireResult{r.Stream, r.First, r.Last, r.Epoch, r.Duplicate, `"memory"`}, got); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	}
}

func TestBodiesAreReadWhateverTheirLengthSays(t *testing.T) {
	text := strings.Repeat("0123456789", 300)
	for _, announced := range []int64{-1, 0, 1, 2999, 3000, 3001, 9000} {
		for name, wrap := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "end with data": iotest.DataErrReader,
		} {
			if got, err := readAll(wrap(strings.NewReader(text)), announced); err != nil || string(got) != text {
				t.Errorf("%d announced, %s: %d bytes, %v", announced, name, len(got), err)
			}
		}
		broken := errors.New("broken")
		if _, err := readAll(io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken)), announced); !errors.Is(err, broken) {
			t.Errorf("%d announced: %v", announced, err)
		}
	}
}
