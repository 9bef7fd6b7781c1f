package main

import (
	"go/ast"
	"regexp"
	"strings"
)

// apiName is what pages call by its full name: package, name, and perhaps a field or a method of it.
var apiName = regexp.MustCompile(`(?:^|[^\w./-])([a-z]\w*)\.([A-Z]\w*)(?:\.([A-Z]\w*))?`)

// addAPI notes the exported names of a package that others import.
func (t *tree) addAPI(dir string, file *ast.File) {
	name := file.Name.Name
	if name == "main" || strings.Contains("/"+dir+"/", "/internal/") || strings.HasPrefix(dir, "examples/") {
		return
	}
	if t.api[name] == nil {
		t.api[name] = map[string]bool{}
	}
	add := func(names ...string) { t.api[name][strings.Join(names, ".")] = true }
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				add(d.Name.Name)
			} else {
				add(receiver(d.Recv.List[0].Type), d.Name.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.TypeSpec:
					add(s.Name.Name)
					for _, member := range members(s.Type) {
						add(s.Name.Name, member)
					}
				case *ast.ValueSpec:
					for _, n := range s.Names {
						add(n.Name)
					}
				}
			}
		}
	}
}

func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	}
	return ""
}

// members are the fields of a struct, embedded ones by the name of their type, or the methods of an interface.
func members(e ast.Expr) (names []string) {
	var list *ast.FieldList
	switch e := e.(type) {
	case *ast.StructType:
		list = e.Fields
	case *ast.InterfaceType:
		list = e.Methods
	default:
		return nil
	}
	for _, field := range list.List {
		for _, name := range field.Names {
			names = append(names, name.Name)
		}
		if len(field.Names) == 0 {
			names = append(names, receiver(field.Type))
		}
	}
	return names
}

// checkAPI wants the names of our packages in code spans to be there.
func (c *checker) checkAPI(p *page) {
	for _, span := range p.spans {
		for _, m := range apiName.FindAllStringSubmatch(span.text, -1) {
			known, ours := c.tree.api[m[1]]
			switch {
			case !ours:
			case !known[m[2]]:
				c.problem(p.path, span.line, "names %s.%s, which does not exist", m[1], m[2])
			case m[3] != "" && !known[m[2]+"."+m[3]]:
				c.problem(p.path, span.line, "names %s.%s.%s, which does not exist", m[1], m[2], m[3])
			}
		}
	}
}
