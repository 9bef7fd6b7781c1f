package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"golang.org/x/mod/semver"

	"github.com/ephemera-go/ephemera/tools/internal/staging"
)

// status lists the sets, what was released of each, and how much has changed since.
func (r *release) status(ctx context.Context) error {
	table := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "set\tmodules\tlast\tcommits since\tnext")
	for _, name := range r.sets() {
		var dirs []string
		last := ""
		for _, m := range r.members(name) {
			dirs = append(dirs, m.Dir)
			if v := r.tags.last(m.Dir); semver.Compare(v, last) > 0 {
				last = v
			}
		}
		commits, shown := "-", "none"
		if last != "" {
			count, err := r.commitsSince(ctx, dirs, last)
			if err != nil {
				return err
			}
			commits, shown = count, last
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", name, strings.Join(dirs, " "), shown, commits, strings.Join(successors(last), " or "))
	}
	return table.Flush()
}

// commitsSince counts the commits that changed one of the folders since a version of one of them.
func (r *release) commitsSince(ctx context.Context, dirs []string, version string) (string, error) {
	for _, dir := range dirs {
		if r.tags.has(dir, version) {
			args := append([]string{"rev-list", "--count", "refs/tags/" + dir + "/" + version + "..HEAD", "--"}, dirs...)
			count, err := staging.Git(ctx, r.root, args...)
			return strings.TrimSpace(string(count)), err
		}
	}
	return "-", nil
}
