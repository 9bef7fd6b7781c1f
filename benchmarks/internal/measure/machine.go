package measure

import (
	"math"
	"os"
	"strconv"
	"strings"
)

// Unknown is what cannot be known here.
const Unknown = "unknown"

// CPUModel names the processor, on Linux only.
func CPUModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return Unknown
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return Unknown
}

// LoadAverage returns the three load averages, on Linux only.
func LoadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return Unknown
	}
	fields := strings.Fields(string(text))
	return strings.Join(fields[:min(3, len(fields))], " ")
}

// Short prints three significant digits without an exponent, and never less than all before the point.
func Short(v float64) string {
	digits := 0
	if a := math.Abs(v); a > 0 && a < 100 {
		digits = min(6, 2-int(math.Floor(math.Log10(a))))
	}
	return strconv.FormatFloat(v, 'f', digits, 64)
}

// Text prints the median with its unit and, in brackets, the least and the greatest.
func (s Spread) Text(unit string) string {
	return Short(s.Median) + unit + " [" + Short(s.Min) + ".." + Short(s.Max) + "]"
}
