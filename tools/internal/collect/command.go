package collect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A program that was killed may leave children that hold its output open; they are not waited for.
const killWait = 5 * time.Second

// tempDir is where temporary files go. It may be given relative to our folder, but programs run in others.
func tempDir() (string, error) { return filepath.Abs(os.TempDir()) }

// environment is that of a program in dir, nil for our own.
func environment(env []string, dir string) ([]string, error) {
	if env == nil {
		env = os.Environ()
	}
	env = append(slices.Clone(env), "PWD="+dir)
	if given := os.Getenv("TMPDIR"); given != "" && !filepath.IsAbs(given) {
		temp, err := tempDir()
		if err != nil {
			return nil, err
		}
		env = append(env, "TMPDIR="+temp)
	}
	return env, nil
}

// output runs a command until it ends or ctx does; then the command and its children are killed.
func output(ctx context.Context, dir string, env []string, name string, args ...string) (stdout, stderr []byte, err error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	if cmd.Env, err = environment(env, dir); err != nil {
		return nil, nil, err
	}
	cmd.WaitDelay = killWait
	killGroup(cmd)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return out.Bytes(), errs.Bytes(), err
}

// tool runs git or the go command, whose output says what is wrong.
func tool(ctx context.Context, dir string, env []string, name string, args ...string) (string, error) {
	stdout, stderr, err := output(ctx, dir, env, name, args...)
	if err == nil {
		return strings.TrimSpace(string(stdout)), nil
	}
	var exit *exec.ExitError
	if text := tail(append(stderr, stdout...)); text != "" && errors.As(err, &exit) {
		return "", errors.New(text)
	}
	return "", err
}

// git runs git on the repository of dir, wherever a hook or an alias that called us points it. Hooks of a checkout could
// change the tree that is measured.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	var env []string
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		switch name {
		case "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY":
		default:
			env = append(env, v)
		}
	}
	stdout, err := tool(ctx, dir, env, "git", append([]string{"-c", "core.hooksPath=" + os.DevNull}, args...)...)
	if err != nil {
		return "", fmt.Errorf("git %s: %w", args[0], err)
	}
	return stdout, nil
}

const tailBytes, tailLines = 2000, 20

// tail returns the end of an output: what a program says last tells why it failed.
func tail(text []byte) string {
	cut := max(0, len(text)-tailBytes)
	lines := strings.Split(strings.TrimSpace(strings.ToValidUTF8(string(text[cut:]), "")), "\n")
	lines = slices.DeleteFunc(lines, isHeader)
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
}
