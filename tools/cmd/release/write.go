package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/ephemera-go/ephemera/tools/internal/staging"
)

// edits returns the files, relative to the root, whose text in the staged tree is not that of the checkout.
func (r *release) edits() ([]string, error) {
	names := []string{"go.work"}
	for _, m := range r.order {
		names = append(names, m.Dir+"/go.mod", m.Dir+"/go.sum")
		if r.versions[m.Dir] != "" {
			names = append(names, m.Dir+"/"+changelogFile)
		}
	}
	var changed []string
	for _, name := range names {
		before, err := readIfThere(filepath.Join(r.root, name))
		if err != nil {
			return nil, err
		}
		after, err := readIfThere(filepath.Join(r.tree, name))
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(before, after) {
			changed = append(changed, name)
		}
	}
	return changed, nil
}

func readIfThere(name string) ([]byte, error) {
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// checkWritten wants a commit to tag that needs no edit.
func (r *release) checkWritten(context.Context) error {
	if !r.tagging {
		return nil
	}
	changed, err := r.edits()
	for _, name := range changed {
		r.problem(name, "is not as the release needs it: run the command write, commit, and let .ci/run pass")
	}
	return err
}

// write copies the edits into the checkout. It is not atomic; git restore undoes a part of it.
func (r *release) write() error {
	changed, err := r.edits()
	if err != nil {
		return err
	}
	for _, name := range changed {
		data, err := readIfThere(filepath.Join(r.tree, name))
		if err != nil {
			return err
		}
		to := filepath.Join(r.root, name)
		if data == nil {
			err = os.Remove(to)
		} else {
			err = staging.WriteFile(to, data, 0o644)
		}
		if err != nil {
			return err
		}
		fmt.Fprintln(r.out, "wrote", name)
	}
	fmt.Fprintf(r.out, "%d files written; look at them, git add and commit them, let .ci/run pass on the commit, then run the command tag\n", len(changed))
	return nil
}

// tell prints what write and tag would do.
func (r *release) tell(ctx context.Context) error {
	changed, err := r.edits()
	if err != nil {
		return err
	}
	for _, side := range []string{"checkout", "release"} {
		from := map[string]string{"checkout": r.root, "release": r.tree}[side]
		for _, name := range changed {
			data, err := readIfThere(filepath.Join(from, name))
			if err != nil {
				return err
			}
			if err := staging.WriteFile(filepath.Join(r.temp, "diff", side, name), data, 0o644); err != nil {
				return err
			}
		}
	}
	if len(changed) > 0 {
		diff := exec.CommandContext(ctx, "git", "diff", "--no-index", "--no-color", "--unified=0", "checkout", "release")
		diff.Dir, diff.Stdout = filepath.Join(r.temp, "diff"), r.out
		var differs *exec.ExitError
		if err := diff.Run(); err != nil && !errors.As(err, &differs) {
			return err
		}
	}
	fmt.Fprintf(r.out, "write changes %d files; tag makes:\n", len(changed))
	for _, m := range r.released() {
		fmt.Fprintln(r.out, "  "+r.tagName(m))
	}
	return nil
}
