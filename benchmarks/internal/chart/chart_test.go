package chart

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func plain(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

func example() Chart {
	return Chart{
		Title: "cost <of> & all", Text: "A rises.",
		X: Axis{"writers", []Tick{{0, "1"}, {1, "2"}, {3, "8"}}},
		Y: Scale{Label: "ns", Text: plain},
		Series: []Series{
			{"A", []Point{{0, 10, 9, 12}, {1, 20, 20, 20}, {3, 40, 30, 58}}},
			{"B", []Point{{0, 5, 5, 5}, {3, 6, 6, 7}}},
		},
	}
}

// The file was looked at once; a change of it has to be looked at again. EPHEMERA_UPDATE=1 writes it anew.
func TestSVGGolden(t *testing.T) {
	c := example()
	got, err := c.SVG()
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/example.svg"
	if os.Getenv("EPHEMERA_UPDATE") != "" {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("the chart is\n%s", got)
	}
}

func TestSVGIsXMLWithEveryLabel(t *testing.T) {
	c := example()
	c.Y.Log = true
	out, err := c.SVG()
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for d := xml.NewDecoder(strings.NewReader(string(out))); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := token.(xml.CharData); ok {
			texts = append(texts, string(s))
		}
	}
	for _, want := range []string{"cost <of> & all", "A rises.", "writers", "ns", "1", "2", "8", "A", "B", "5", "100"} {
		if !slices.Contains(texts, want) {
			t.Errorf("text %q is missing in %q", want, texts)
		}
	}
	if strings.Contains(string(out), "NaN") || strings.Contains(string(out), "Inf") {
		t.Errorf("not a drawing: %s", out)
	}
}

func TestTicksCoverTheValues(t *testing.T) {
	for _, c := range []struct {
		log         bool
		bottom, top float64
		want        []float64
	}{
		{false, 9, 58, []float64{0, 10, 20, 30, 40, 50, 60}},
		{false, 0, 0, []float64{0, 0.2, 0.4, 0.6, 0.8, 1}},
		{false, 1, 1.2, []float64{0, 0.2, 0.4, 0.6, 0.8, 1, 1.2}},
		{true, 12, 90, []float64{10, 20, 50, 100}},
		{true, 10, 10, []float64{10, 20}},
		{true, 20, 50, []float64{20, 50}},
		{true, 3, 20_000, []float64{1, 10, 100, 1000, 10_000, 100_000}},
	} {
		got := Scale{Log: c.log}.ticks(c.bottom, c.top)
		same := slices.EqualFunc(got, c.want, func(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Abs(b) })
		if !same {
			t.Errorf("log %v, %v to %v: ticks %v, want %v", c.log, c.bottom, c.top, got, c.want)
		}
	}
}

func TestNonsenseIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Chart)
		want   string
	}{
		"nothing":       {func(c *Chart) { c.Series = nil }, "no series"},
		"too many":      {func(c *Chart) { c.Series = make([]Series, 8) }, "8 series"},
		"no points":     {func(c *Chart) { c.Series[1].Points = nil }, `"B" has no points`},
		"no ticks":      {func(c *Chart) { c.X.Ticks = nil }, "0 ticks"},
		"NaN":           {func(c *Chart) { c.Series[0].Points[0].Y = math.NaN() }, "NaN"},
		"infinite":      {func(c *Chart) { c.Series[0].Points[0].High = math.Inf(1) }, "+Inf"},
		"outside":       {func(c *Chart) { c.Series[0].Points[0].Low = 11 }, "not between"},
		"negative":      {func(c *Chart) { c.Series[0].Points[0].Low = -1 }, "does not reach"},
		"zero, for log": {func(c *Chart) { c.Y.Log = true; c.Series[0].Points[0].Low = 0 }, "does not reach"},
	} {
		t.Run(name, func(t *testing.T) {
			chart := example()
			c.change(&chart)
			if _, err := chart.SVG(); !errors.Is(err, ErrChart) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}
