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
	"strconv"
	"strings"
)

// host is what decides whether and how servers are found and installed.
type host struct {
	unix     bool
	root     bool
	versions string // pattern of the folders of installed PostgreSQL versions, as Debian lays them out
	cache    string // folder of the tools that are built here
	tools    string // file with their versions
}

func thisHost() host {
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		cache = filepath.Join(os.Getenv("HOME"), ".cache") // as in the Makefile, on every system
	}
	return host{
		unix: onUnix, root: os.Geteuid() == 0, versions: "/usr/lib/postgresql/*/bin",
		cache: filepath.Join(cache, "ephemera", "tools"), tools: "tools/versions.txt",
	}
}

// findPostgres returns the folder of PostgreSQL's programs: that of the one in PATH, else the newest installed one.
func (h host) findPostgres() (string, bool) {
	if path, err := exec.LookPath("postgres"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil && complete(filepath.Dir(path)) {
			return filepath.Dir(path), true
		}
	}
	folders, err := filepath.Glob(h.versions)
	if err != nil {
		return "", false
	}
	best, bestVersion := "", -1
	for _, folder := range folders {
		version, err := strconv.Atoi(filepath.Base(filepath.Dir(folder)))
		if err == nil && version > bestVersion && complete(folder) {
			best, bestVersion = folder, version
		}
	}
	return best, best != ""
}

// complete reports whether a folder has all the programs that testenv runs.
func complete(folder string) bool {
	for _, name := range []string{"initdb", "postgres", "pg_isready"} {
		if _, err := exec.LookPath(filepath.Join(folder, name)); err != nil {
			return false
		}
	}
	return true
}

// postgresFolder finds PostgreSQL, and installs it if that is wanted and allowed.
func (s *session) postgresFolder(ctx context.Context) (string, error) {
	if !s.host.unix {
		return "", missing{"its servers run on Unix systems only", "set EPHEMERA_TEST_POSTGRES to the URL of a database"}
	}
	if folder, ok := s.host.findPostgres(); ok {
		return folder, nil
	}
	absent := missing{reason: "PostgreSQL is not installed"}
	if _, err := exec.LookPath("apt-get"); err != nil {
		absent.remedy = "install it so that initdb, postgres and pg_isready are in PATH"
		return "", absent
	}
	prefix, allowed := s.host.asRoot(ctx)
	absent.remedy = "install it: sudo apt-get install postgresql"
	if !s.install || !allowed {
		return "", absent
	}
	s.say("installing postgresql with apt-get")
	for _, args := range [][]string{{"update", "-q"}, {"install", "-y", "-q", "--no-install-recommends", "postgresql"}} {
		command := append(append(prefix, "apt-get"), args...)
		if err := runInstall(exec.CommandContext(ctx, command[0], command[1:]...)); err != nil {
			absent.reason = err.Error()
			return "", absent
		}
	}
	if folder, ok := s.host.findPostgres(); ok {
		return folder, nil
	}
	absent.reason = "apt-get installed postgresql, but its programs are not in " + s.host.versions
	return "", absent
}

// asRoot returns what to put before a command so that it runs as root, if that needs no password.
func (h host) asRoot(ctx context.Context) ([]string, bool) {
	if h.root {
		return nil, true
	}
	if exec.CommandContext(ctx, "sudo", "-n", "true").Run() != nil {
		return nil, false
	}
	return []string{"sudo", "-n"}, true
}

// builtTool returns the program of a row of tools/versions.txt, and builds it if that is wanted.
func (s *session) builtTool(ctx context.Context, name string) (string, error) {
	if !s.host.unix {
		return "", missing{"its servers run on Unix systems only", "set EPHEMERA_TEST_S3 to the URL of a bucket"}
	}
	version, pkg, err := s.host.toolVersion(name)
	if err != nil {
		return "", err
	}
	folder := filepath.Join(s.host.cache, name+"-"+version)
	binary := filepath.Join(folder, name)
	if _, err := exec.LookPath(binary); err == nil {
		return binary, nil
	}
	absent := missing{fmt.Sprintf("%s %s is not in %s", name, version, s.host.cache), "build it: testenv -install, minutes, once"}
	if !s.install {
		return "", absent
	}
	s.say("installing %s %s into %s: minutes, once", name, version, folder)
	cmd := exec.CommandContext(ctx, "go", "install", pkg+"@"+version)
	// Outside of the workspace, so that the tools and the modules do not change each other's versions.
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=", "GOOS=", "GOARCH=", "GOBIN="+folder)
	if err := runInstall(cmd); err != nil {
		absent.reason = err.Error()
		return "", absent
	}
	return binary, nil
}

// toolVersion looks a tool up in the list, which lies above the working folder or in it.
func (h host) toolVersion(name string) (version, pkg string, err error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", "", err
	}
	var text []byte
	for {
		if text, err = os.ReadFile(filepath.Join(folder, h.tools)); err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || folder == filepath.Dir(folder) {
			return "", "", fmt.Errorf("run testenv within the repository: %w", err)
		}
		folder = filepath.Dir(folder)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == name {
			return fields[1], fields[2], nil
		}
	}
	return "", "", fmt.Errorf("%s names no version of %s", h.tools, name)
}

// runInstall runs a command whose output matters only if it fails.
func runInstall(cmd *exec.Cmd) error {
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s failed: %w; it said:\n%s", strings.Join(cmd.Args, " "), err, lastLines(output.Bytes()))
	}
	return nil
}
