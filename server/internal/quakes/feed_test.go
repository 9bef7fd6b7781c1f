package quakes

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"testing"
)

func TestFeedIsTheOneOfTheExample(t *testing.T) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, z); err != nil {
		t.Fatal(err)
	}
	const want = "a42702a83ffbae679f95d1fa53e2cae0bae13b21e599a68cdd50a44fc52129f7" // of examples/earthquakes/feed/earthquakes.json
	if got := hex.EncodeToString(sum.Sum(nil)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestFeed(t *testing.T) {
	list, err := Feed()
	if err != nil {
		t.Fatal(err)
	}
	signals := map[string]int{}
	ids := map[string]bool{}
	for i, q := range list {
		if q.ID == "" || q.Net == "" || ids[q.ID] || q.At.Year() != 2018 || i > 0 && q.At.Before(list[i-1].At) {
			t.Fatalf("%d: %+v", i, q)
		}
		ids[q.ID] = true
		signals[signalOf(q.Magnitude)]++
	}
	if len(list) != 1707 || signals[Strong]+signals[Major] != 85 {
		t.Errorf("%d quakes, signals %v", len(list), signals)
	}
}
