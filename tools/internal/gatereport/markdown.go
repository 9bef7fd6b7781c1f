package gatereport

import (
	"fmt"
	"io"
	"strings"

	"github.com/ephemera-go/ephemera/tools/internal/plain"
)

// Markdown writes a table for the summary of a build: the verdicts that need somebody first.
func Markdown(w io.Writer, r Report) error {
	var out strings.Builder
	fmt.Fprintf(&out, "### Benchmarks: %s\n\n", r.Summary())
	if len(r.Verdicts) > 0 {
		out.WriteString("| verdict | benchmark | unit | measured | budget | note |\n|---|---|---|---|---|---|\n")
	}
	for _, s := range states {
		for _, v := range r.Verdicts {
			if v.State == s {
				fmt.Fprintf(&out, "| %s | %s | %s | %s | %s | %s |\n", v.State.Label(), code(v.Benchmark), cell(v.Budget.Unit),
					cell(v.Result()), code(v.LimitText()), cell(v.Note()))
			}
		}
	}
	for _, m := range r.Machines {
		fmt.Fprintf(&out, "\nMeasured on %s, %s/%s.\n", orUnknown(m.CPU), orUnknown(m.OS), orUnknown(m.Arch))
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func orUnknown(text string) string {
	if text == "" {
		return "unknown"
	}
	return cell(text)
}

// escapes keep text from being read as markup or as the end of a cell.
var escapes = strings.NewReplacer(
	"\\", "\\\\", "|", "\\|", "`", "\\`", "*", "\\*", "_", "\\_", "<", "&lt;", ">", "&gt;", "&", "&amp;", "[", "\\[", "]", "\\]",
)

func cell(text string) string { return escapes.Replace(plain.Text(text)) }

// code returns the text in a code span, where only the border of a table cell needs escaping. A span cannot hold its own
// mark, so text with one is written as plain text.
func code(text string) string {
	if strings.Contains(text, "`") {
		return cell(text)
	}
	text = plain.Text(text)
	return "`" + strings.ReplaceAll(text, "|", "\\|") + "`"
}
