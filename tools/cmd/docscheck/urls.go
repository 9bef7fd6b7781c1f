package main

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strings"
)

const urlsPage = "docs/urls.md"

var (
	keyTable = regexp.MustCompile(`^\|\s*keys?\s*\|`)
	// Methods of sinks.Params that name a key of a URL.
	paramMethods = []string{"String", "Choice", "Bool", "Int", "Duration", "Size"}
)

// addKeys notes the query keys that a driver reads: literals, a constant before a literal, and loops over lists.
func (t *tree) addKeys(dir string, file *ast.File) {
	texts, lists := declared(file)
	for _, decl := range file.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok || !calls(fn, "NewParams") {
			continue
		}
		loops := map[string][]string{}
		ast.Inspect(fn, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.RangeStmt:
				over, isList := n.X.(*ast.Ident)
				value, isName := n.Value.(*ast.Ident)
				if isList && isName {
					loops[value.Name] = lists[over.Name]
				}
			case *ast.CallExpr:
				method, ok := n.Fun.(*ast.SelectorExpr)
				if ok && len(n.Args) > 0 && slices.Contains(paramMethods, method.Sel.Name) {
					t.keys[dir] = append(t.keys[dir], keysOf(n.Args[0], texts, loops)...)
				}
			}
			return true
		})
	}
}

func calls(fn *ast.FuncDecl, name string) (found bool) {
	ast.Inspect(fn, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			found = found || s.Sel.Name == name
		}
		return true
	})
	return found
}

func keysOf(e ast.Expr, texts map[string]string, loops map[string][]string) []string {
	if text, ok := literal(e); ok {
		return []string{text}
	}
	switch e := e.(type) {
	case *ast.Ident:
		return loops[e.Name]
	case *ast.BinaryExpr:
		before, isName := e.X.(*ast.Ident)
		text, isText := literal(e.Y)
		if e.Op == token.ADD && isName && isText {
			return []string{texts[before.Name] + text}
		}
	}
	return nil
}

// declared returns the texts, and the lists of texts, that a file gives names to.
func declared(file *ast.File) (texts map[string]string, lists map[string][]string) {
	texts, lists = map[string]string{}, map[string][]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Names) != 1 || len(spec.Values) != 1 {
			return true
		}
		name := spec.Names[0].Name
		if text, ok := literal(spec.Values[0]); ok {
			texts[name] = text
		}
		if list, ok := spec.Values[0].(*ast.CompositeLit); ok {
			for _, e := range list.Elts {
				if text, ok := literal(e); ok {
					lists[name] = append(lists[name], text)
				}
			}
		}
		return true
	})
	return texts, lists
}

// checkKeys compares the keys of URLs that drivers read with the tables that explain them.
func (c *checker) checkKeys() {
	if len(c.tree.keys) == 0 {
		return
	}
	p := c.pages[urlsPage]
	if p == nil {
		c.problem(urlsPage, 0, "is missing, and drivers read URLs")
		return
	}
	known := map[string]bool{}
	for dir, keys := range c.tree.keys {
		for _, key := range keys {
			known[key] = true
			if !slices.ContainsFunc(p.spans, func(s item) bool { return s.text == key }) {
				c.problem(urlsPage, 0, "does not explain %s, which %s reads", key, dir)
			}
		}
	}
	inTable := false
	for _, line := range p.prose {
		inTable = strings.HasPrefix(line.text, "|") && (inTable || keyTable.MatchString(line.text))
		if !inTable || keyTable.MatchString(line.text) {
			continue
		}
		first, _, _ := strings.Cut(strings.TrimPrefix(line.text, "|"), "|")
		for _, m := range codeSpan.FindAllStringSubmatch(first, -1) {
			if !known[m[2]] {
				c.problem(urlsPage, line.line, "explains %s, which no driver reads", m[2])
			}
		}
	}
}
