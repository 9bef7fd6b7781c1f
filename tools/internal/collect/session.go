package collect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// Session holds the built programs and, with a base, a second working tree of the repository. Close it.
type Session struct {
	options    Options
	head, base *Program
	temp       string
	repository string // its top folder; empty without a base
	tree       string // the second working tree
	procs      int
	listed     map[string]result
	listedBase []result
}

// Open builds the test programs of both sides in a temporary folder. The files of Head are not touched; its repository
// knows of a second working tree until Close.
func Open(ctx context.Context, options Options) (*Session, error) {
	head, err := filepath.Abs(options.Head)
	if err != nil {
		return nil, fmt.Errorf("collect: open %s: %w", options.Head, err)
	}
	options.Head = head
	temp, err := tempDir()
	if err == nil {
		temp, err = os.MkdirTemp(temp, "benchgate-")
	}
	if err != nil {
		return nil, fmt.Errorf("collect: open %s: %w", head, err)
	}
	s := &Session{options: options, temp: temp, procs: runtime.GOMAXPROCS(0)}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Session) open(ctx context.Context) error {
	dir := ""
	if s.options.Base != "" {
		var err error
		if dir, err = s.checkout(ctx); err != nil {
			return err
		}
	}
	var err error
	if s.head, err = s.build(ctx, Head, s.options.Head); err != nil || dir == "" {
		return err
	}
	there, err := s.inBase(dir)
	if err != nil {
		return fmt.Errorf("collect: open base %s: %w", s.options.Base, err)
	}
	if there {
		s.base, err = s.build(ctx, Base, dir)
		there = !errors.Is(err, errNoTests)
	}
	if !there {
		s.options.Progress(fmt.Sprintf("base has no tests in %s: all of its benchmarks are new", s.options.Package))
		s.base, err = nil, nil
	}
	return err
}

// inBase reports whether the base has the package of head, given the counterpart of the head folder.
func (s *Session) inBase(dir string) (bool, error) {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	head, err := filepath.EvalSymlinks(s.options.Head)
	if err != nil {
		return false, err
	}
	pkg, err := filepath.EvalSymlinks(s.head.dir)
	if err != nil {
		return false, err
	}
	path, err := filepath.Rel(head, pkg)
	if err != nil {
		return false, err
	}
	within, err := filepath.Rel(s.tree, filepath.Join(dir, path))
	if err != nil || !filepath.IsLocal(within) {
		return true, err // it is in no tree of ours, so both sides use the same
	}
	entries, err := os.ReadDir(filepath.Join(dir, path))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return strings.HasSuffix(e.Name(), ".go") }), err
}

// checkout makes the tree of the base and returns its counterpart of the head folder.
func (s *Session) checkout(ctx context.Context) (string, error) {
	head, rev := s.options.Head, s.options.Base
	top, err := git(ctx, head, "rev-parse", "--show-toplevel")
	if err != nil {
		return "", fmt.Errorf("collect: open base %s: %w", rev, err)
	}
	prefix, err := git(ctx, head, "rev-parse", "--show-prefix")
	if err != nil {
		return "", fmt.Errorf("collect: open base %s: %w", rev, err)
	}
	commit, err := git(ctx, head, "rev-parse", "--verify", "--quiet", "--end-of-options", rev+"^{commit}")
	if err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("collect: open base %s: %w in %s (a shallow clone has only the newest commits: git fetch --unshallow)",
			rev, ErrRevision, top)
	}
	s.repository, s.tree = top, filepath.Join(s.temp, "base")
	s.options.Progress("base " + rev + " is commit " + commit)
	if _, err := git(ctx, top, "worktree", "add", "--detach", "--force", s.tree, commit); err != nil {
		return "", fmt.Errorf("collect: open base %s: %w", rev, err)
	}
	return filepath.Join(s.tree, filepath.FromSlash(prefix)), nil
}

// Dir is the folder of the package in the working tree of head.
func (s *Session) Dir() string { return s.head.dir }

// Close removes the second working tree and the programs. It works after the context of Open has ended.
func (s *Session) Close() error {
	var problem error
	if s.tree != "" {
		ctx := context.Background()
		if _, err := git(ctx, s.repository, "worktree", "remove", "--force", "--force", s.tree); err != nil {
			// A checkout that was interrupted is not a working tree yet.
			problem = os.RemoveAll(s.tree)
		}
		if _, err := git(ctx, s.repository, "worktree", "prune"); err != nil {
			problem = errors.Join(problem, err)
		}
	}
	if err := errors.Join(problem, os.RemoveAll(s.temp)); err != nil {
		return fmt.Errorf("collect: close: %w", err)
	}
	return nil
}
