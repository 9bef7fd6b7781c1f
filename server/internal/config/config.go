// Package config reads the config file of the command: a YAML mapping of flags to values.
//
//	listen: 127.0.0.1:7070
//	data: /var/lib/ephemera
//	snapshot-interval: 1m
//
// Its keys are the names of flags that have a variable EPHEMERA_…. A value comes from the command line, else from the
// environment, else from the file, else it is the default.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// What can be wrong, to be tested with errors.Is.
var (
	ErrConfig      = errors.New("bad config file")
	ErrEnvironment = errors.New("bad environment")
)

// A File is what stands in a config file.
type File struct {
	name   string
	values map[string]entry
}

type entry struct {
	text string
	line int
}

// Load reads a file.
func Load(name string) (*File, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return parse(name, text)
}

func parse(name string, text []byte) (*File, error) {
	f := &File{name, map[string]entry{}}
	var document, next yaml.Node
	documents := yaml.NewDecoder(bytes.NewReader(text))
	err := documents.Decode(&document)
	if errors.Is(err, io.EOF) {
		return f, nil // nothing but comments
	}
	if err == nil {
		err = documents.Decode(&next)
	}
	switch {
	case err == nil:
		return nil, f.wrong(next.Line, "", "a second document; one is wanted")
	case !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%w: %s: %s", ErrConfig, name, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, f.wrong(root.Line, "", "lines of the form key: value are wanted")
	}
	var p []error
	for i := 0; i < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		first, twice := f.values[key.Value]
		switch {
		case twice:
			p = append(p, f.wrong(key.Line, key.Value, fmt.Sprintf("stands in line %d already", first.line)))
		case value.Kind != yaml.ScalarNode || value.Tag == "!!null":
			p = append(p, f.wrong(value.Line, key.Value, "one value is wanted"))
		default:
			f.values[key.Value] = entry{value.Value, value.Line}
		}
	}
	return f, errors.Join(p...)
}

func (f *File) wrong(line int, key, why string) error {
	if key == "" {
		return fmt.Errorf("%w: %s:%d: %s", ErrConfig, f.name, line, why)
	}
	return fmt.Errorf("%w: %s:%d: %s: %s", ErrConfig, f.name, line, key, why)
}

// Has reports whether the file has a key.
func (f *File) Has(key string) bool {
	_, ok := f.values[key]
	return ok
}

// Validate implements kong.Resolver. It finds every key that no flag has, and every value that its flag refuses.
func (f *File) Validate(app *kong.Application) error {
	flags := map[string]*kong.Flag{}
	collect(app.Node, flags)
	var known []string
	for name := range flags {
		known = append(known, name)
	}
	slices.Sort(known)
	var keys []string
	for key := range f.values {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int { return f.values[a].line - f.values[b].line })
	var p []error
	for _, key := range keys {
		e := f.values[key]
		flag := flags[key]
		if flag == nil {
			p = append(p, f.wrong(e.line, key, "no such key; "+strings.Join(known, ", ")+" are known"))
			continue
		}
		if err := try(flag, e.text); err != nil {
			p = append(p, f.wrong(e.line, key, err.Error()))
		}
	}
	return errors.Join(p...)
}

// collect finds the flags that may stand in a file.
func collect(n *kong.Node, flags map[string]*kong.Flag) {
	for _, flag := range n.Flags {
		if len(flag.Envs) > 0 && flag.Name != "config" {
			flags[flag.Name] = flag
		}
	}
	for _, child := range n.Children {
		collect(child, flags)
	}
}

// try reads a value into a place of its own.
func try(flag *kong.Flag, text string) error {
	into := reflect.New(flag.Target.Type()).Elem()
	scan := kong.Scan().PushTyped(text, kong.FlagValueToken)
	if err := flag.Mapper.Decode(&kong.DecodeContext{Value: flag.Value, Scan: scan}, into); err != nil {
		return err
	}
	switch {
	case flag.Enum != "" && !flag.EnumMap()[text]:
		return fmt.Errorf("%q; one of %s is wanted", text, flag.Enum)
	case into.CanInt() && into.Int() < 0:
		return fmt.Errorf("%s is negative", text)
	}
	return nil
}

// CheckEnvironment finds every value of a variable that its flag refuses.
func CheckEnvironment(flags []*kong.Flag) error {
	var p []error
	for _, flag := range flags {
		for _, name := range flag.Envs {
			text, ok := os.LookupEnv(name)
			if !ok {
				continue
			}
			if err := try(flag, text); err != nil {
				p = append(p, fmt.Errorf("%w: %s: %w", ErrEnvironment, name, err))
			}
		}
	}
	return errors.Join(p...)
}

// Resolve implements kong.Resolver. What the environment says counts more.
func (f *File) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if FromEnvironment(flag) {
		return nil, nil
	}
	if e, ok := f.values[flag.Name]; ok && len(flag.Envs) > 0 {
		return e.text, nil
	}
	return nil, nil
}

// FromEnvironment reports whether the environment says a flag's value.
func FromEnvironment(flag *kong.Flag) bool {
	return slices.ContainsFunc(flag.Envs, func(name string) bool {
		_, ok := os.LookupEnv(name)
		return ok
	})
}
