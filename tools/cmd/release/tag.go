package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/ephemera-go/ephemera/tools/internal/modset"
	"github.com/ephemera-go/ephemera/tools/internal/staging"
)

// tag makes one annotated tag for each module. The objects come first, which nobody sees; then a copy of the repository
// that has the tags is asked for the modules, as the go command will ask the real one; only then do all names appear, in
// one transaction.
func (r *release) tag(ctx context.Context) error {
	var transaction strings.Builder
	for _, m := range r.released() {
		if r.tags.has(m.Dir, r.versions[m.Dir]) {
			continue
		}
		object, err := r.tagObject(ctx, m)
		if err != nil {
			return err
		}
		fmt.Fprintf(&transaction, "create refs/tags/%s %s\n", r.tagName(m), object)
	}
	if err := r.fetchBack(ctx, transaction.String()); err != nil || len(r.problems) > 0 {
		return err
	}
	// An interrupt leaves it alone from here on.
	if _, err := staging.GitInput(context.WithoutCancel(ctx), r.root, []byte(transaction.String()), "update-ref", "--stdin"); err != nil {
		return fmt.Errorf("no tag was made: %w", err)
	}
	push := []string{"git push --atomic origin", mainBranch}
	for _, m := range r.released() {
		fmt.Fprintln(r.out, "tagged", r.tagName(m))
		push = append(push, r.tagName(m))
	}
	fmt.Fprintf(r.out, "nothing is public yet; this makes it so, for good:\n\n  %s\n\n", strings.Join(push, " "))
	return nil
}

func (r *release) tagObject(ctx context.Context, m modset.Module) (string, error) {
	head, err := staging.Git(ctx, r.root, "rev-parse", "HEAD^{commit}")
	if err != nil {
		return "", err
	}
	tagger, err := staging.Git(ctx, r.root, "var", "GIT_COMMITTER_IDENT")
	if err != nil {
		return "", err
	}
	c, err := r.releasedChangelog(m)
	if err != nil {
		return "", err
	}
	e, _ := c.find(r.versions[m.Dir])
	text := fmt.Sprintf("object %stype commit\ntag %s\ntagger %s\n%s %s\n\n%s\n",
		head, r.tagName(m), tagger, m.Dir, r.versions[m.Dir], strings.TrimSpace(e.text))
	object, err := staging.GitInput(ctx, r.root, []byte(text), "mktag")
	return strings.TrimSpace(string(object)), err
}

// fetchBack proves that the tags lead the go command to exactly what was checked.
func (r *release) fetchBack(ctx context.Context, transaction string) error {
	r.say("fetching every module from a copy of the repository that has the tags")
	copied := filepath.Join(r.temp, "copy.git")
	if _, err := staging.Git(ctx, r.root, "clone", "--quiet", "--bare", "--shared", ".", copied); err != nil {
		return err
	}
	if _, err := staging.GitInput(ctx, copied, []byte(transaction), "update-ref", "--stdin"); err != nil {
		return err
	}
	direct := append(os.Environ(),
		"GOWORK=off", "GOPROXY=direct", "GONOSUMDB="+modset.Prefix+"/*", "GOFLAGS=-modcacherw",
		"GOMODCACHE="+filepath.Join(r.temp, "directcache"),
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=url.file://"+filepath.ToSlash(copied)+".insteadOf",
		"GIT_CONFIG_VALUE_0=https://"+modset.Prefix,
	)
	for _, m := range r.released() {
		want, err := r.sums(ctx, m, r.env)
		if err != nil {
			return err
		}
		got, err := r.sums(ctx, m, direct)
		if err != nil {
			return err
		}
		if got != want {
			r.problem(m.Dir, "the tag leads to other files than were checked: %+v, want %+v", got, want)
		}
	}
	return nil
}

// download is what go mod download -json tells about the content of a module.
type download struct {
	Sum, GoModSum, Error string
}

func (r *release) sums(ctx context.Context, m modset.Module, env []string) (download, error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", m.Path()+"@"+r.versions[m.Dir])
	cmd.Dir, cmd.Env = r.temp, env
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var d download
	if jsonErr := json.Unmarshal(out, &d); jsonErr != nil || d.Error != "" {
		return d, fmt.Errorf("go mod download %s: %w: %s%s", m.Path(), err, d.Error, strings.TrimSpace(stderr.String()))
	}
	return d, err
}
