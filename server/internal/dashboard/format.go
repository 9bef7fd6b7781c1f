package dashboard

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// functions are what the page formats values with.
var functions = template.FuncMap{
	"number": number, "float": float, "bytes": bytesText, "clock": clock, "iso": iso, "ago": ago, "short": short, "text": text,
}

// number writes an integer with commas.
func number(n any) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// float writes up to four significant digits, and all of a whole number.
func float(f float64) string {
	s := strconv.FormatFloat(f, 'f', 2, 64)
	if f != 0 && f < .1 && f > -.1 {
		return strconv.FormatFloat(f, 'g', 3, 64)
	}
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

func bytesText(n any) string {
	f, err := strconv.ParseFloat(fmt.Sprint(n), 64)
	if err != nil {
		return fmt.Sprint(n)
	}
	for _, unit := range []string{"B", "KiB", "MiB", "GiB"} {
		if f < 1024 {
			return float(f) + " " + unit
		}
		f /= 1024
	}
	return float(f) + " TiB"
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

func iso(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func ago(d time.Duration) string { return d.Round(time.Second).String() }

const longText = 120 // bytes of data that a row shows

// short cuts a text between two characters.
func short(s string) string {
	if len(s) <= longText {
		return s
	}
	end := longText
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

// text shows data, which may be anything.
func text(data []byte) string {
	if !utf8.Valid(data) {
		return fmt.Sprintf("%d bytes", len(data))
	}
	return short(string(data))
}
