// Package quakes replays a week of earthquakes into a server, so that there is something to look at.
package quakes

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

//go:embed feed/earthquakes.json.gz
var packed []byte

// A Quake is an event of the feed.
type Quake struct {
	ID        string    `json:"id"`
	Net       string    `json:"net"` // network that reported it
	Magnitude float64   `json:"mag"`
	Place     string    `json:"place"`
	Longitude float64   `json:"lon"`
	Latitude  float64   `json:"lat"`
	Depth     float64   `json:"depth"` // km
	At        time.Time `json:"at"`
}

// feature is a Quake as the feed has it.
type feature struct {
	ID         string
	Properties struct {
		Mag   float64
		Place string
		Time  int64 // Unix milliseconds
		Net   string
	}
	Geometry struct{ Coordinates [3]float64 }
}

// Feed returns the earthquakes of the feed that is part of the program, oldest first.
func Feed() ([]Quake, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("feed of earthquakes: %w", err)
	}
	var in struct{ Features []feature }
	if err := json.NewDecoder(z).Decode(&in); err != nil {
		return nil, fmt.Errorf("feed of earthquakes: %w", err)
	}
	list := make([]Quake, len(in.Features))
	for i := range in.Features {
		f := &in.Features[i]
		list[i] = Quake{
			ID: f.ID, Net: f.Properties.Net, Magnitude: f.Properties.Mag, Place: f.Properties.Place,
			Longitude: f.Geometry.Coordinates[0], Latitude: f.Geometry.Coordinates[1], Depth: f.Geometry.Coordinates[2],
			At: time.UnixMilli(f.Properties.Time).UTC(),
		}
	}
	slices.SortStableFunc(list, func(a, b Quake) int { return a.At.Compare(b.At) })
	return list, nil
}
