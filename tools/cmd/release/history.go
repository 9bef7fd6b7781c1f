package main

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"golang.org/x/mod/semver"

	"github.com/ephemera-go/ephemera/tools/internal/modset"
	"github.com/ephemera-go/ephemera/tools/internal/staging"
)

// history holds the versions of each module's tags, by its folder, oldest first.
type history map[string][]string

func readHistory(ctx context.Context, root string, set modset.Set) (history, error) {
	out, err := staging.Git(ctx, root, "tag", "--list")
	if err != nil {
		return nil, err
	}
	h := history{}
	for tag := range strings.FieldsSeq(string(out)) {
		dir, version := path.Dir(tag), path.Base(tag)
		if _, ok := set.Find(dir); ok && semver.IsValid(version) {
			h[dir] = append(h[dir], version)
		}
	}
	for _, versions := range h {
		semver.Sort(versions)
	}
	return h, nil
}

func (h history) has(dir, version string) bool {
	return slices.Contains(h[dir], version)
}

// last returns the newest version of a module, "" if it has none.
func (h history) last(dir string) string {
	if versions := h[dir]; len(versions) > 0 {
		return versions[len(versions)-1]
	}
	return ""
}

// before returns the newest version of a module that is older than the given one.
func (h history) before(dir, version string) string {
	last := ""
	for _, v := range h[dir] {
		if semver.Compare(v, version) < 0 {
			last = v
		}
	}
	return last
}

// successors returns the versions that may follow one. A gap is more likely to be a slip than a wish, and no version can be
// taken back.
func successors(last string) []string {
	if last == "" {
		return []string{"v0.1.0"}
	}
	var x, y, z int
	if _, err := fmt.Sscanf(last, "v%d.%d.%d", &x, &y, &z); err != nil {
		return nil
	}
	next := []string{fmt.Sprintf("v%d.%d.%d", x, y, z+1), fmt.Sprintf("v%d.%d.0", x, y+1)}
	if x == 0 {
		next = append(next, "v1.0.0")
	}
	return next
}

// mayBreak reports whether users have to expect incompatible changes from one version to another.
func mayBreak(last, next string) bool {
	return semver.Major(last) != semver.Major(next) ||
		semver.Major(next) == "v0" && semver.MajorMinor(last) != semver.MajorMinor(next)
}
