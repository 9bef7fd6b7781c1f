package chart

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"strings"
)

// Sizes in pixels.
const (
	width, height           = 820, 460
	left, right, above, low = 80, 620, 50, 400 // of the plotted area
	lineHeight              = 22
)

// Colors that people with any colour vision can tell apart; dashes help where they are printed in grey.
var (
	colors = []string{"#000000", "#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"}
	dashes = []string{"", "8 4", "2 3", "12 4 2 4", "5 5", "", "8 4"}
)

// SVG draws the chart. Errors wrap ErrChart.
func (c *Chart) SVG() ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	xLeft, xRight, bottom, top := c.bounds()
	ticks := c.Y.ticks(bottom, top)
	f := frame{xLeft, xRight, ticks[0], ticks[len(ticks)-1], c.Y.Log}
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img"`+
		` font-family="sans-serif" font-size="13">`+"\n", width, height, width, height)
	fmt.Fprintf(&b, "<title>%s</title>\n<desc>%s</desc>\n", html.EscapeString(c.Title), html.EscapeString(c.Text))
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", width, height)
	text(&b, width/2, 24, "middle", "font-size=\"16\"", c.Title)
	c.axes(&b, f, ticks)
	for i, s := range c.Series {
		s.draw(&b, f, i)
	}
	b.WriteString("</svg>\n")
	return b.Bytes(), nil
}

// A frame maps values to pixels.
type frame struct {
	xLeft, xRight, yLow, yHigh float64
	log                        bool
}

func (f frame) x(v float64) float64 {
	if f.xRight == f.xLeft {
		return (left + right) / 2
	}
	return left + (v-f.xLeft)/(f.xRight-f.xLeft)*(right-left)
}

func (f frame) y(v float64) float64 {
	at, from, to := v, f.yLow, f.yHigh
	if f.log {
		at, from, to = math.Log(at), math.Log(from), math.Log(to)
	}
	return low - (at-from)/(to-from)*(low-above)
}

func (c *Chart) axes(b *bytes.Buffer, f frame, ticks []float64) {
	for _, v := range ticks {
		y := f.y(v)
		line(b, left, y, right, y, `stroke="#dddddd"`)
		text(b, left-8, y+4, "end", "", c.Y.Text(v))
	}
	for _, t := range c.X.Ticks {
		x := f.x(t.At)
		line(b, x, low, x, low+5, `stroke="#000000"`)
		text(b, x, low+20, "middle", "", t.Label)
	}
	line(b, left, low, right, low, `stroke="#000000"`)
	line(b, left, above, left, low, `stroke="#000000"`)
	text(b, (left+right)/2, low+44, "middle", "", c.X.Label)
	const middle = (above + low) / 2
	text(b, 20, middle, "middle", fmt.Sprintf(`transform="rotate(-90 20 %d)"`, middle), c.Y.Label)
}

func (s Series) draw(b *bytes.Buffer, f frame, i int) {
	stroke := fmt.Sprintf(`stroke="%s" stroke-width="2"`, colors[i])
	dashed := stroke
	if dashes[i] != "" {
		dashed += fmt.Sprintf(` stroke-dasharray="%s"`, dashes[i])
	}
	var points []string
	for _, p := range s.Points {
		points = append(points, number(f.x(p.X))+","+number(f.y(p.Y)))
		if p.Low != p.High {
			line(b, f.x(p.X), f.y(p.Low), f.x(p.X), f.y(p.High), stroke+` stroke-opacity="0.5"`)
		}
	}
	fmt.Fprintf(b, `<polyline points="%s" fill="none" %s/>`+"\n", strings.Join(points, " "), dashed)
	for _, p := range s.Points {
		fmt.Fprintf(b, `<circle cx="%s" cy="%s" r="3" fill="%s"/>`+"\n", number(f.x(p.X)), number(f.y(p.Y)), colors[i])
	}
	y := float64(above + 10 + i*lineHeight)
	line(b, right+16, y, right+46, y, dashed)
	text(b, right+54, y+4, "start", "", s.Name)
}

func line(b *bytes.Buffer, x1, y1, x2, y2 float64, attributes string) {
	fmt.Fprintf(b, `<line x1="%s" y1="%s" x2="%s" y2="%s" %s/>`+"\n", number(x1), number(y1), number(x2), number(y2), attributes)
}

func text(b *bytes.Buffer, x, y float64, anchor, attributes, content string) {
	if attributes != "" {
		attributes = " " + attributes
	}
	fmt.Fprintf(b, `<text x="%s" y="%s" text-anchor="%s"%s>%s</text>`+"\n",
		number(x), number(y), anchor, attributes, html.EscapeString(content))
}

// number prints a tenth of a pixel, so that the last bits of a computation do not show.
func number(v float64) string { return fmt.Sprintf("%.1f", v) }
