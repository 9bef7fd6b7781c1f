// Package chart draws line charts as SVG. The same chart gives the same bytes everywhere.
package chart

import (
	"errors"
	"fmt"
	"math"
)

// A Chart is some series over a common range.
type Chart struct {
	Title  string
	Text   string // says in a sentence what can be seen, for those who cannot see it
	X      Axis
	Y      Scale
	Series []Series
}

// An Axis has the ticks that it is given. Its positions are linear; who wants another scale gives other positions.
type Axis struct {
	Label string
	Ticks []Tick
}

// A Tick is a labelled position.
type Tick struct {
	At    float64
	Label string
}

// A Scale finds its own ticks. A logarithmic one takes positive values only, a linear one starts at zero.
type Scale struct {
	Label string
	Log   bool
	Text  func(float64) string // of a tick
}

// A Series is a line. At most len(colors) of them fit a chart.
type Series struct {
	Name   string
	Points []Point
}

// A Point has a bar from Low to High if they differ.
type Point struct{ X, Y, Low, High float64 }

// ErrChart says that a chart cannot be drawn; the wrapping text names the reason.
var ErrChart = errors.New("chart: cannot draw")

func bad(title, format string, args ...any) error {
	return fmt.Errorf("%w %q: %s", ErrChart, title, fmt.Sprintf(format, args...))
}

// check refuses what would draw nonsense.
func (c *Chart) check() error {
	switch {
	case len(c.Series) == 0:
		return bad(c.Title, "no series")
	case len(c.Series) > len(colors):
		return bad(c.Title, "%d series, at most %d can be told apart", len(c.Series), len(colors))
	case len(c.X.Ticks) < 2:
		return bad(c.Title, "%d ticks on the x axis, at least 2 are needed", len(c.X.Ticks))
	}
	for _, s := range c.Series {
		if len(s.Points) == 0 {
			return bad(c.Title, "series %q has no points", s.Name)
		}
		for _, p := range s.Points {
			for _, v := range []float64{p.X, p.Y, p.Low, p.High} {
				if math.IsNaN(v) || math.IsInf(v, 0) {
					return bad(c.Title, "series %q has the value %v", s.Name, v)
				}
			}
			if p.Low > p.Y || p.High < p.Y {
				return bad(c.Title, "series %q: %v is not between %v and %v", s.Name, p.Y, p.Low, p.High)
			}
			if p.Low < 0 || (c.Y.Log && p.Low == 0) {
				return bad(c.Title, "series %q has the value %v, which the scale does not reach", s.Name, p.Low)
			}
		}
	}
	return nil
}

// bounds returns the ends of both axes.
func (c *Chart) bounds() (left, right, bottom, top float64) {
	left, right = c.X.Ticks[0].At, c.X.Ticks[0].At
	for _, t := range c.X.Ticks {
		left, right = min(left, t.At), max(right, t.At)
	}
	bottom, top = math.Inf(1), 0
	for _, s := range c.Series {
		for _, p := range s.Points {
			left, right = min(left, p.X), max(right, p.X)
			bottom, top = min(bottom, p.Low), max(top, p.High)
		}
	}
	return left, right, bottom, top
}

// ticks returns the positions on the y axis, the ends included: 1, 2, 5 times powers of ten.
func (s Scale) ticks(bottom, top float64) []float64 {
	if s.Log {
		return logTicks(bottom, top)
	}
	if top == 0 {
		top = 1
	}
	step := niceStep(top / 6)
	list := []float64{0}
	for i := 1; list[len(list)-1] < top; i++ {
		list = append(list, step*float64(i))
	}
	return list
}

// niceStep returns the next of 1, 2, 5 times a power of ten that is not below v.
func niceStep(v float64) float64 {
	decade := math.Pow(10, math.Floor(math.Log10(v)))
	for _, f := range []float64{1, 2, 5} {
		if f*decade >= v {
			return f * decade
		}
	}
	return 10 * decade
}

// logTicks goes in steps of 1, 2, 5, or of whole decades where there are many.
func logTicks(bottom, top float64) []float64 {
	factors := []float64{1, 2, 5}
	if top/bottom > 2000 {
		factors = factors[:1]
	}
	var list []float64
	for e := math.Floor(math.Log10(bottom)); ; e++ {
		for _, f := range factors {
			v := f * math.Pow(10, e)
			if len(list) > 0 && v <= bottom {
				list = list[:0] // the highest one at or below the bottom starts the axis
			}
			if list = append(list, v); v >= top && len(list) > 1 {
				return list
			}
		}
	}
}
