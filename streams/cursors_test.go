package streams

import (
	"fmt"
	"testing"
)

// TestCursorsOfForgottenStreams: what a subscription keeps of deleted streams is bounded as the memory for their versions is.
func TestCursorsOfForgottenStreams(t *testing.T) {
	const most = 10
	l, err := New(Options{MaxStreams: most})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	add := func(stream string) {
		if _, err := l.Append(t.Context(), Append{Stream: stream, Events: []Event{{Data: []byte(`1`)}}}); err != nil {
			t.Fatal(err)
		}
	}
	seen, n := 0, 0
	for m, err := range l.Subscribe(t.Context(), Subscription{Pattern: "*"}) {
		if err != nil {
			t.Fatal(err)
		}
		if m.Kind == MessageEvent {
			seen++
			if err := l.Delete(t.Context(), m.Stream); err != nil {
				t.Fatal(err)
			}
		}
		if n++; n > 1000 {
			break
		}
		add(fmt.Sprint(n % 500)) // each begins again, long after it was forgotten
		cursors := 0
		l.begin.Lock()
		for f := range l.followers {
			cursors += len(f.cursors)
		}
		l.begin.Unlock()
		if cursors > 2*most {
			t.Fatalf("%d cursors after %d streams", cursors, n)
		}
	}
	if seen < 900 {
		t.Errorf("%d events", seen)
	}
}
