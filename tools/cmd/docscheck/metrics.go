package main

import (
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

const (
	metricPrefix = "ephemera_"
	operations   = "docs/operations.md"
	dashboard    = "docs/operations/grafana-dashboard.json"
)

var (
	metricName   = regexp.MustCompile(`\bephemera_[a-z0-9_]*[a-z0-9]`)
	metricRow    = regexp.MustCompile("^\\|\\s*`(ephemera_[a-z0-9_]+)`")
	metricSuffix = regexp.MustCompile(`_(?:bucket|count|sum)$`)
)

// metricSources are the two ways in which the server names a metric: in options, and by functions that put the prefix
// before their first argument.
type metricSources struct {
	prefixers map[string]bool
	calls     map[string][]string // name of a function to literals that are its first argument
}

func (t *tree) addMetrics(file *ast.File) {
	for _, decl := range file.Decls {
		name := ""
		if fn, ok := decl.(*ast.FuncDecl); ok {
			name = fn.Name.Name
		}
		ast.Inspect(decl, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.KeyValueExpr:
				key, isIdent := n.Key.(*ast.Ident)
				value, isText := literal(n.Value)
				if isIdent && key.Name == "Name" && isText && strings.HasPrefix(value, metricPrefix) {
					t.metrics[value] = true
				}
			case *ast.BinaryExpr:
				if text, ok := literal(n.X); ok && text == metricPrefix && n.Op == token.ADD && name != "" {
					t.sources.prefixers[name] = true
				}
			case *ast.CallExpr:
				fn, isIdent := n.Fun.(*ast.Ident)
				if isIdent && len(n.Args) > 0 {
					if text, ok := literal(n.Args[0]); ok {
						t.sources.calls[fn.Name] = append(t.sources.calls[fn.Name], metricPrefix+text)
					}
				}
			}
			return true
		})
	}
}

func (t *tree) resolveMetrics() {
	for fn := range t.sources.prefixers {
		for _, name := range t.sources.calls[fn] {
			t.metrics[name] = true
		}
	}
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

// checkFigures compares the metrics of the server, the table that explains them and the dashboard that draws them.
func (c *checker) checkFigures() {
	if len(c.tree.metrics) == 0 {
		return
	}
	p := c.pages[operations]
	if p == nil {
		c.problem(operations, 0, "is missing, and the server has metrics")
		return
	}
	described := map[string]bool{}
	for _, line := range p.prose {
		if m := metricRow.FindStringSubmatch(line.text); m != nil {
			described[m[1]] = true
		}
		for _, name := range metricName.FindAllString(line.text, -1) {
			if !c.tree.metrics[name] && !c.tree.metrics[metricSuffix.ReplaceAllString(name, "")] {
				c.problem(operations, line.line, "names %s, which the server does not show", name)
			}
		}
	}
	for name := range c.tree.metrics {
		if !described[name] {
			c.problem(operations, 0, "has no row for %s", name)
		}
	}
	data, err := os.ReadFile(filepath.Join(c.root, dashboard))
	if err != nil {
		c.problem(dashboard, 0, "%v", err)
		return
	}
	drawn := metricName.FindAllString(string(data), -1)
	if len(drawn) == 0 {
		c.problem(dashboard, 0, "draws no metric of the server")
	}
	for _, name := range drawn {
		if !c.tree.metrics[metricSuffix.ReplaceAllString(name, "")] {
			c.problem(dashboard, 0, "draws %s, which the server does not show", name)
		}
	}
}
