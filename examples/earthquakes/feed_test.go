package main

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// collection puts features into a FeatureCollection.
func collection(features ...string) string {
	return `{"type":"FeatureCollection","metadata":{"n":[1,{}]},"features":[` + strings.Join(features, ",") + `],"bbox":[1,2]}`
}

const goodFeature = `{"type":"Feature","properties":{"mag":1.5,"time":1000,"net":"ci"},"id":"a"}`

// with is a feature of the given id whose properties are given.
func with(id, properties string) string {
	return `{"type":"Feature","properties":{` + properties + `},"id":"` + id + `"}`
}

func TestParseFeed(t *testing.T) {
	tests := []struct {
		name, in string
		want     []quake
	}{
		{"no features", collection(), nil},
		{"space around", " \n" + collection() + " \r\n\t", nil},
		{"type after features", `{"features":[],"type":"FeatureCollection"}`, nil},
		{"file order", collection(goodFeature, with("b", `"mag":-1,"time":-5,"net":"us"`)), []quake{
			{ID: "a", Net: "ci", Millis: 1000, Mag: 1.5}, {ID: "b", Net: "us", Millis: -5, Mag: -1},
		}},
		{"null magnitude", collection(with("b", `"mag":null,"time":0,"net":"us"`)), []quake{{ID: "b", Net: "us", Mag: math.NaN()}}},
		{
			"other case is another name", collection(with("b", `"mag":1,"Mag":9,"time":2,"TIME":"x","net":"us"`)),
			[]quake{{ID: "b", Net: "us", Millis: 2, Mag: 1}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseFeed(strings.NewReader(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateNaNs(), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestParseEmbeddedFeed(t *testing.T) {
	quakes, err := parseFeed(bytes.NewReader(embeddedFeed))
	if err != nil {
		t.Fatal(err)
	}
	if len(quakes) != 1707 {
		t.Errorf("%d events, want 1707", len(quakes))
	}
}

func TestParseFeedRefuses(t *testing.T) {
	const good = goodFeature
	tests := []struct{ name, in, want string }{
		{"empty", "", "not a GeoJSON FeatureCollection: the input ends here, too early"},
		{"no JSON", "hello", "not a GeoJSON FeatureCollection: invalid character 'h'"},
		{"an array", "[]", `not a GeoJSON FeatureCollection: want "{", got [`},
		{"one feature", good, `type: want "FeatureCollection", got "Feature"`},
		{"no type", `{"features":[]}`, `type: missing`},
		{"no features", `{"type":"FeatureCollection"}`, "features: missing"},
		{"features twice", `{"type":"FeatureCollection","features":[],"features":[]}`, "features: given twice"},
		{"features no list", `{"type":"FeatureCollection","features":{}}`, `features: want "[", got {`},
		{"features null", `{"type":"FeatureCollection","features":null}`, `features: want "[", got <nil>`},
		{"second object", collection() + "{}", "something follows the collection"},
		{"garbage behind", collection() + "x", "something follows the collection"},
		{"collection open", strings.TrimSuffix(collection(good), "}"), "at the end of the collection: the input ends here"},
		{"cut in a feature", collection(good)[:len(collection())+20], "feature 0: the input ends here, too early"},
		{"cut after a feature", `{"features":[` + good, "feature 1: the input ends here, too early"},
		{"cut in metadata", `{"metadata":{`, "metadata: the input ends here, too early"},
		{"broken JSON", collection(good, `{"id":}`), "feature 1: invalid character '}'"},
		{"no comma", collection(good + good), "feature 1: "},
		{"feature no object", collection(good, "7"), "feature 1: want an object, got 7"},
		{"feature null", collection("null"), "feature 0: want an object, got null"},
		{"another type", collection(`{"type":"Point"}`), `feature 0: type: want "Feature", got "Point"`},
		{"no id", collection(`{"properties":{}}`), "feature 0: id: missing"},
		{"id a number", collection(`{"id":5}`), "feature 0: id: want a string, got 5"},
		{"id empty", collection(`{"id":""}`), "feature 0: id: empty"},
		{"id twice", collection(good, with("b", `"mag":1,"time":1,"net":"ci"`), good), "feature 2: id: a is already the id of feature 0"},
		{"no properties", collection(`{"id":"a"}`), "feature 0: properties: missing"},
		{"properties null", collection(`{"id":"a","properties":null}`), "feature 0: properties: want an object, got null"},
		{"no time", collection(good, with("b", `"mag":1,"net":"ci"`)), "feature 1: properties.time: missing"},
		{"time a string", collection(good, with("b", `"time":"1000"`)), `feature 1: properties.time: want whole milliseconds since 1970, got "1000"`},
		{"time a fraction", collection(with("b", `"time":1.5`)), "feature 0: properties.time: want whole milliseconds since 1970, got 1.5"},
		{"time null", collection(with("b", `"time":null`)), "properties.time: want whole milliseconds since 1970, got null"},
		{"time too large", collection(with("b", `"time":99999999999999999999`)), "properties.time: want whole"},
		{"time far away", collection(with("b", `"time":9000000000000000000`)), "properties.time: 9000000000000000000 ms"},
		{"no net", collection(with("b", `"time":1`)), "properties.net: missing"},
		{"net empty", collection(with("b", `"time":1,"net":""`)), "properties.net: empty"},
		{"net a list", collection(with("b", `"time":1,"net":["ci"]`)), `properties.net: want a string, got ["ci"]`},
		{"net too long", collection(with("b", `"time":1,"net":"`+strings.Repeat("x", 65)+`"`)), "longer than 64 bytes"},
		{"net moves the cursor", collection(with("b", `"time":1,"net":"\u001b[2J"`)), "properties.net: \ufffd[2J holds"},
		{"no mag", collection(with("b", `"time":1,"net":"ci"`)), "properties.mag: missing"},
		{"mag a string", collection(with("b", `"time":1,"net":"ci","mag":"1.5"`)), `properties.mag: want a number or null, got "1.5"`},
		{"mag true", collection(with("b", `"time":1,"net":"ci","mag":true`)), "properties.mag: want a number or null, got true"},
		{"mag NaN", collection(with("b", `"time":1,"net":"ci","mag":NaN`)), "feature 0: invalid character 'N'"},
		{"mag beyond float64", collection(with("b", `"time":1,"net":"ci","mag":1e999`)), "properties.mag: 1e999 is not between"},
		{"mag absurd", collection(with("b", `"time":1,"net":"ci","mag":-101`)), "properties.mag: -101 is not between -100 and 100"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			quakes, err := parseFeed(strings.NewReader(tt.in))
			if err == nil {
				t.Fatalf("accepted: %v", quakes)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}
