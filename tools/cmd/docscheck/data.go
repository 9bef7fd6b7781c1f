package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// checkData reads the blocks of a page that are data.
func (c *checker) checkData(p *page) {
	for _, b := range p.blocks {
		if err := readData(b.language, b.text); err != nil {
			c.problem(p.path, b.line, "%s block: %v", b.language, err)
		}
	}
}

func (c *checker) checkDataFiles() {
	for _, path := range c.tree.data {
		text, err := os.ReadFile(filepath.Join(c.root, path))
		if err == nil {
			err = readData(strings.TrimPrefix(filepath.Ext(path), "."), string(text))
		}
		if err != nil {
			c.problem(path, 0, "%v", err)
		}
	}
}

// readData accepts several JSON values or YAML documents, one after the other.
func readData(language, text string) error {
	var next func() error
	switch language {
	case "json":
		d := json.NewDecoder(strings.NewReader(text))
		next = func() error { return d.Decode(new(any)) }
	case "yaml", "yml":
		d := yaml.NewDecoder(strings.NewReader(text))
		next = func() error { return d.Decode(new(any)) }
	default:
		return nil
	}
	for n := 0; ; n++ {
		err := next()
		if errors.Is(err, io.EOF) && n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
