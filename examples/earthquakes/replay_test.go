package main

import (
	"math"
	"strconv"
	"testing"
	"time"
)

func TestSortByTimeKeepsFileOrderOfTies(t *testing.T) {
	quakes := make([]quake, 100)
	for i := range quakes {
		quakes[i] = quake{ID: strconv.Itoa(i), Millis: int64(i % 2)}
	}
	sortByTime(quakes)
	for i, q := range quakes {
		want := 2 * i // the even ones come first, then the odd ones
		if i >= 50 {
			want = 2*(i-50) + 1
		}
		if q.ID != strconv.Itoa(want) {
			t.Fatalf("at %d is %s, want %d", i, q.ID, want)
		}
	}
}

func TestNewestSeenNeverGoesBack(t *testing.T) {
	p, err := newPlayer([]quake{{Millis: -7}, {Millis: 5}, {Millis: 3}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	for _, want := range []int64{-7, 5, 5} {
		if err := p.one(); err != nil {
			t.Fatal(err)
		}
		if got := p.newest.UnixMilli(); got != want {
			t.Errorf("after %d events: %d, want %d", p.sent, got, want)
		}
	}
}

func TestWait(t *testing.T) {
	tests := []struct {
		feedMillis, speed float64
		want              time.Duration
	}{
		{0, 1, 0},
		{1000, 1, time.Second},
		{3_600_000, 10_000, 360 * time.Millisecond},
		{1, maxSpeed, 0},
		{math.MaxFloat64, minSpeed, 100 * 365 * 24 * time.Hour},
	}
	for _, tt := range tests {
		if got := wait(tt.feedMillis, tt.speed); got != tt.want {
			t.Errorf("%v ms at %v: %v, want %v", tt.feedMillis, tt.speed, got, tt.want)
		}
	}
}
