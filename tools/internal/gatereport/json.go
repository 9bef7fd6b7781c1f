package gatereport

import (
	"encoding/json"
	"io"
	"math"
	"strconv"

	"github.com/ephemera-go/ephemera/tools/internal/budget"
	"github.com/ephemera-go/ephemera/tools/internal/gate"
)

// Schema is the number of the JSON form. It grows when a field changes its meaning or goes away; new fields do not count.
const Schema = 1

// document is the whole report.
type document struct {
	Schema int `json:"schema"`
	// Exit is the exit status: 0 in budget, 1 over budget, 2 cannot judge.
	Exit     int           `json:"exit"`
	Summary  string        `json:"summary"`
	Machines []machineJSON `json:"machines"`
	Verdicts []verdictJSON `json:"verdicts"`
}

// machineJSON is a machine that measured; what its output did not say is empty.
type machineJSON struct {
	CPU  string `json:"cpu"`
	OS   string `json:"goos"`
	Arch string `json:"goarch"`
}

// verdictJSON is one budget and benchmark. Figures that were not measured are null.
type verdictJSON struct {
	Benchmark string `json:"benchmark"`
	// Unit is tidied, see benchunit: sec/op for ns/op.
	Unit string `json:"unit"`
	// State is in, over, cannot, other machine or new.
	State string `json:"state"`
	// Reason is empty unless the state is cannot: thin, undecided, noisy, missing, missing reference, missing base,
	// vanished, negative, unknown machine, machines or failed. Detail is text for people.
	Reason string `json:"reason"`
	Detail string `json:"detail"`
	// Estimate, Low and High are the figure and its 99 % interval: in the unit if the kind is absolute, else the ratio.
	Estimate *float64 `json:"estimate"`
	Low      *float64 `json:"low"`
	High     *float64 `json:"high"`
	// Figure and Against are the medians of the benchmark and of its reference or base, in the unit.
	Figure  *float64 `json:"figure"`
	Against *float64 `json:"against"`
	// N is the number of figures of the smaller side, or of rounds.
	N int `json:"n"`
	// NoiseFloor is the ratio up to which the same program differs from itself here.
	NoiseFloor *float64   `json:"noise_floor"`
	Budget     budgetJSON `json:"budget"`
	// Line is the verdict as plain text.
	Line string `json:"line"`
}

// budgetJSON is the line of the file of budgets.
type budgetJSON struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Text string `json:"text"`
	// Name may be a pattern.
	Name string `json:"name"`
	Op   string `json:"op"`
	// Kind is absolute, relative or base. Limit is a figure in the unit if it is absolute, else a factor.
	Kind      string  `json:"kind"`
	Limit     float64 `json:"limit"`
	Reference string  `json:"reference"`
	Machine   string  `json:"machine"`
}

// JSON writes one object: schema, exit, summary, machines and verdicts, whose fields are described above.
func JSON(w io.Writer, r Report) error {
	doc := document{
		Schema: Schema, Exit: r.Exit, Summary: r.Summary(),
		Machines: []machineJSON{}, Verdicts: []verdictJSON{},
	}
	for _, m := range r.Machines {
		doc.Machines = append(doc.Machines, machineJSON{m.CPU, m.OS, m.Arch})
	}
	for _, v := range r.Verdicts {
		doc.Verdicts = append(doc.Verdicts, toJSON(v))
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(doc)
}

func toJSON(v gate.Verdict) verdictJSON {
	b := v.Budget
	return verdictJSON{
		Benchmark: v.Benchmark, Unit: b.Unit, State: string(v.State), Reason: string(v.Reason), Detail: v.Detail,
		Estimate: figure(v.Estimate, v.Measured), Low: figure(v.Low, v.Measured), High: figure(v.High, v.Measured),
		Figure: figure(v.Figure, v.N > 0), Against: figure(v.Against, v.N > 0 && b.Kind != budget.Absolute),
		N: v.N, NoiseFloor: figure(v.Floor, v.Floor > 0),
		Budget: budgetJSON{
			File: b.File, Line: b.Line, Text: b.Text, Name: b.Name, Op: string(b.Op), Kind: string(b.Kind),
			Limit: b.Limit, Reference: b.Reference, Machine: b.Machine,
		},
		Line: v.String(),
	}
}

// figure rounds to nine digits, so that different processors print the same. It returns nil for what was not measured, and
// for the infinite, which JSON does not know.
func figure(x float64, measured bool) *float64 {
	if !measured || math.IsInf(x, 0) || math.IsNaN(x) {
		return nil
	}
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 9, 64), 64)
	if err != nil {
		return nil
	}
	return &rounded
}
