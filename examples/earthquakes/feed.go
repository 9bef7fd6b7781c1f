package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// quake is one event of the feed, as the store keeps it.
type quake struct {
	ID     string
	Net    string
	Millis int64   // event time, Unix milliseconds
	Mag    float64 // NaN when the feed has null: summaries count it apart
}

func (q *quake) at() time.Time { return time.UnixMilli(q.Millis) }

// Bounds of what the feed may hold. Times stay inside the range of 64-bit nanoseconds, and sums of magnitudes cannot
// overflow.
const (
	maxMagnitude = 100
	maxNetLength = 64
)

var (
	minMillis = time.Date(1700, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	maxMillis = time.Date(2250, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
)

// parseFeed reads a GeoJSON FeatureCollection of the USGS kind, in file order. It streams, so that an error names the
// index (from 0) of the first feature that is broken.
func parseFeed(r io.Reader) ([]quake, error) {
	dec := json.NewDecoder(r)
	if err := expect(dec, '{'); err != nil {
		return nil, fmt.Errorf("not a GeoJSON FeatureCollection: %w", err)
	}
	var quakes []quake
	var hasType, hasFeatures bool
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, early(err)
		}
		switch name {
		case "type":
			hasType = true
			err = collectionType(dec)
		case "features":
			if hasFeatures {
				return nil, errors.New("features: given twice")
			}
			hasFeatures = true
			quakes, err = parseFeatures(dec)
		default:
			if err = dec.Decode(new(json.RawMessage)); err != nil {
				err = fmt.Errorf("%s: %w", excerpt(fmt.Sprint(name)), early(err))
			}
		}
		if err != nil {
			return nil, err
		}
	}
	if err := expect(dec, '}'); err != nil {
		return nil, fmt.Errorf("at the end of the collection: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("something follows the collection: want one JSON object and nothing else")
	}
	if !hasType {
		return nil, errors.New(`type: missing, want "FeatureCollection"`)
	}
	if !hasFeatures {
		return nil, errors.New("features: missing")
	}
	return quakes, nil
}

func collectionType(dec *json.Decoder) error {
	var raw json.RawMessage
	if err := dec.Decode(&raw); err != nil {
		return fmt.Errorf("type: %w", early(err))
	}
	if string(raw) != `"FeatureCollection"` {
		return fmt.Errorf(`type: want "FeatureCollection", got %s`, excerpt(string(raw)))
	}
	return nil
}

func parseFeatures(dec *json.Decoder) ([]quake, error) {
	if err := expect(dec, '['); err != nil {
		return nil, fmt.Errorf("features: %w", err)
	}
	var quakes []quake
	seen := make(map[string]int)
	for i := 0; dec.More(); i++ {
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, fmt.Errorf("feature %d: %w", i, early(err))
		}
		q, err := parseFeature(raw)
		if err != nil {
			return nil, fmt.Errorf("feature %d: %w", i, err)
		}
		if first, ok := seen[q.ID]; ok {
			return nil, fmt.Errorf("feature %d: id: %s is already the id of feature %d", i, excerpt(q.ID), first)
		}
		seen[q.ID] = i
		quakes = append(quakes, q)
	}
	if err := expect(dec, ']'); err != nil {
		return nil, fmt.Errorf("feature %d: %w", len(quakes), err)
	}
	return quakes, nil
}

// object is a JSON object with its values unread: field names match exactly, unlike those of a struct.
type object map[string]json.RawMessage

func parseFeature(raw json.RawMessage) (quake, error) {
	var q quake
	feature, err := parseObject(raw)
	if err != nil {
		return q, err
	}
	if kind, ok := feature["type"]; ok && string(kind) != `"Feature"` {
		return q, fmt.Errorf(`type: want "Feature", got %s`, excerpt(string(kind)))
	}
	if q.ID, err = feature.text("id"); err != nil {
		return q, fmt.Errorf("id: %w", err)
	}
	properties, err := parseObject(feature["properties"])
	if err != nil {
		return q, fmt.Errorf("properties: %w", err)
	}
	if q.Millis, err = properties.millis("time"); err != nil {
		return q, fmt.Errorf("properties.time: %w", err)
	}
	if q.Net, err = properties.text("net"); err != nil {
		return q, fmt.Errorf("properties.net: %w", err)
	}
	if err := checkNet(q.Net); err != nil {
		return q, fmt.Errorf("properties.net: %w", err)
	}
	if q.Mag, err = properties.magnitude("mag"); err != nil {
		return q, fmt.Errorf("properties.mag: %w", err)
	}
	return q, nil
}

var errMissing = errors.New("missing")

func parseObject(raw json.RawMessage) (object, error) {
	if raw == nil {
		return nil, errMissing
	}
	if raw[0] != '{' {
		return nil, fmt.Errorf("want an object, got %s", excerpt(string(raw)))
	}
	var o object
	return o, json.Unmarshal(raw, &o)
}

func (o object) text(name string) (string, error) {
	raw, ok := o[name]
	if !ok {
		return "", errMissing
	}
	if raw[0] != '"' {
		return "", fmt.Errorf("want a string, got %s", excerpt(string(raw)))
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", err
	}
	if s == "" {
		return "", errors.New("empty")
	}
	return s, nil
}

func (o object) millis(name string) (int64, error) {
	raw, ok := o[name]
	if !ok {
		return 0, errMissing
	}
	ms, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("want whole milliseconds since 1970, got %s", excerpt(string(raw)))
	}
	if ms < minMillis || ms >= maxMillis {
		return 0, fmt.Errorf("%d ms since 1970 is not between the years 1700 and 2250", ms)
	}
	return ms, nil
}

func (o object) magnitude(name string) (float64, error) {
	raw, ok := o[name]
	if !ok {
		return 0, errMissing
	}
	if bytes.Equal(raw, []byte("null")) {
		return math.NaN(), nil
	}
	if raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
		return 0, fmt.Errorf("want a number or null, got %s", excerpt(string(raw)))
	}
	mag, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || math.Abs(mag) > maxMagnitude {
		return 0, fmt.Errorf("%s is not between -%d and %d", excerpt(string(raw)), maxMagnitude, maxMagnitude)
	}
	return mag, nil
}

// checkNet keeps what is no network code off the screen: control characters would reach the terminal.
func checkNet(net string) error {
	if len(net) > maxNetLength {
		return fmt.Errorf("%s is longer than %d bytes", excerpt(net), maxNetLength)
	}
	for _, r := range net {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("%s holds a character that cannot be printed", excerpt(net))
		}
	}
	return nil
}

// expect reads one delimiter.
func expect(dec *json.Decoder, want json.Delim) error {
	token, err := dec.Token()
	if err != nil {
		return early(err)
	}
	if token != want {
		return fmt.Errorf("want %q, got %s", want.String(), excerpt(fmt.Sprint(token)))
	}
	return nil
}

// early names the end of the input for what it is.
func early(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the input ends here, too early")
	}
	return err
}

// excerpt shows at most the first 40 characters of what came from the input, and nothing that a terminal would obey.
func excerpt(s string) string {
	if runes := []rune(s); len(runes) > 40 {
		s = string(runes[:40]) + "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}
