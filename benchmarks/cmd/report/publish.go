package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
)

const (
	reportFile = "benchmarks.md"
	filesDir   = "benchmarks"  // beside the report: a folder for each run, normally one
	rawFile    = "results.txt" // in the folder of its run
	newPrefix  = ".new-"
)

// A bundle is a report and the files that it links, which lie in a folder named by their content.
type bundle struct {
	id     string
	files  map[string][]byte
	report []byte
}

// render makes a bundle of raw results. The same raw results make the same bundle.
func (d document) render(file string, raw []byte) (*bundle, error) {
	r, err := readResults(file, raw)
	if err != nil {
		return nil, err
	}
	// The tables come first: unlike the plots they tell everything that is missing.
	if _, err := d.markdown(r, ""); err != nil {
		return nil, err
	}
	files, err := d.draw(r)
	if err != nil {
		return nil, err
	}
	files[rawFile] = raw
	b := &bundle{files: files}
	hash := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(hash, "%s %d\n", name, len(files[name]))
		_, _ = hash.Write(files[name])
	}
	day := r.header[keyDate]
	if len(day) < len("2006-01-02") || !runFolder.MatchString(day[:10]+"-00000000") {
		return nil, fmt.Errorf("report: %s: %w: date %q does not begin with a day such as 2006-01-02", file, errHeader, day)
	}
	b.id = fmt.Sprintf("%s-%x", day[:10], hash.Sum(nil)[:4])
	b.report, err = d.markdown(r, filesDir+"/"+b.id)
	return b, err
}

var runFolder = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}-[0-9a-f]{8}$`)

// publish replaces the report in dir. Whenever it is interrupted, there is one whole report with all its files: the new
// folder is complete before it gets its name, the report replaces the old one in one step, and only then the folders
// of older reports go.
func (b *bundle) publish(dir string) error {
	parent := filepath.Join(dir, filesDir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if err := b.writeFolder(parent); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	next := filepath.Join(parent, newPrefix+reportFile)
	if err := writeSynced(next, b.report); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if err := os.Rename(next, filepath.Join(dir, reportFile)); err != nil {
		return errors.Join(fmt.Errorf("report: %w", err), os.Remove(next))
	}
	return b.removeOthers(parent)
}

func (b *bundle) writeFolder(parent string) error {
	folder := filepath.Join(parent, b.id)
	if b.isWhole(folder) {
		return nil
	}
	fresh, err := os.MkdirTemp(parent, newPrefix)
	if err != nil {
		return err
	}
	defer os.RemoveAll(fresh)
	for name, content := range b.files {
		if err := writeSynced(filepath.Join(fresh, name), content); err != nil {
			return err
		}
	}
	if err := os.Chmod(fresh, 0o755); err != nil {
		return err
	}
	// A folder of this name with other content was tampered with.
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	return os.Rename(fresh, folder)
}

// isWhole reports whether the folder is there with exactly this content.
func (b *bundle) isWhole(folder string) bool {
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) != len(b.files) {
		return false
	}
	for name, content := range b.files {
		if there, err := os.ReadFile(filepath.Join(folder, name)); err != nil || !bytes.Equal(there, content) {
			return false
		}
	}
	return true
}

// removeOthers deletes the folders of older reports and what interrupted runs left behind. Other files are not touched.
func (b *bundle) removeOthers(parent string) error {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	var errs []error
	for _, e := range entries {
		old := e.IsDir() && runFolder.MatchString(e.Name()) && e.Name() != b.id
		left, _ := filepath.Match(newPrefix+"*", e.Name())
		if !old && !left {
			continue
		}
		if err := os.RemoveAll(filepath.Join(parent, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("report: %w", err))
		}
	}
	return errors.Join(errs...)
}

// writeSynced writes a file that is on disk when it returns.
func writeSynced(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}
