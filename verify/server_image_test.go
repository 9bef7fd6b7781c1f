//go:build linux

package verify

import (
	"debug/elf"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

const deployDir = "../deploy"

// An instruction is one of a Dockerfile.
type instruction struct {
	name  string
	flags map[string]string
	rest  string
}

// instructions reads a Dockerfile, as far as this one goes.
func instructions(t *testing.T, name string) (list []instruction) {
	t.Helper()
	text, err := os.ReadFile(name)
	must(t, err)
	joined := regexp.MustCompile(`\\\n\s*`).ReplaceAllString(regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(string(text), ""), "")
	for line := range strings.Lines(joined) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == "" {
			continue
		}
		x := instruction{name: name, flags: map[string]string{}}
		for strings.HasPrefix(rest, "--") {
			flag, others, _ := strings.Cut(rest, " ")
			key, value, _ := strings.Cut(flag, "=")
			x.flags[key], rest = value, strings.TrimSpace(others)
		}
		x.rest = rest
		list = append(list, x)
	}
	return list
}

// An image is what a Dockerfile makes, in folders instead of layers.
type image struct {
	t           *testing.T
	dockerfile  string
	build, root string // the file systems of the stage that builds and of the image
	stages      int
	workdir     string
	env         map[string]string // ENV of the image, ARG of the build
	uid, gid    uint32
	entry, cmd  []string
	health      []string
	volume      string
	port        string
}

// buildImage does what an engine would do with the Dockerfile, but for the base image, whose compiler is the one of this machine.
func buildImage(t *testing.T, dockerfile, version string) *image {
	t.Helper()
	dir := t.TempDir()
	must(t, os.Chmod(filepath.Dir(dir), 0o755)) // so that the user of the image gets there
	im := &image{t: t, dockerfile: dockerfile, build: filepath.Join(dir, "build"), root: filepath.Join(dir, "root"), env: map[string]string{}, workdir: "/"}
	for _, x := range instructions(t, dockerfile) {
		im.do(x, version)
	}
	return im
}

// fs is the file system of the stage.
func (im *image) fs() string {
	if im.stages == 1 {
		return im.build
	}
	return im.root
}

func (im *image) do(x instruction, version string) {
	t := im.t
	t.Helper()
	list := func(text string) (words []string) {
		if err := json.Unmarshal([]byte(text), &words); err != nil {
			t.Fatalf("%s %s: the form without a shell is wanted, an empty image has none", x.name, text)
		}
		return words
	}
	switch x.name {
	case "FROM":
		im.from(x.rest)
	case "WORKDIR":
		im.workdir = x.rest
		must(t, os.MkdirAll(im.fs()+x.rest, 0o755))
	case "COPY":
		im.copy(x)
	case "ARG":
		key, _, _ := strings.Cut(x.rest, "=")
		im.env[key] = version
	case "RUN":
		im.run(x.rest)
	case "ENV":
		for word := range strings.FieldsSeq(x.rest) {
			key, value, _ := strings.Cut(word, "=")
			im.env[key] = value
		}
	case "USER":
		_, err := fmt.Sscanf(x.rest, "%d:%d", &im.uid, &im.gid)
		must(t, err) // Kubernetes tells only from numbers that it is not root
	case "VOLUME":
		im.volume = x.rest
	case "EXPOSE":
		im.port = x.rest
	case "HEALTHCHECK":
		im.health = list(strings.TrimPrefix(x.rest, "CMD "))
	case "ENTRYPOINT":
		im.entry = list(x.rest)
	case "CMD":
		im.cmd = list(x.rest)
	default:
		t.Fatalf("this test does not know %s", x.name)
	}
}

func (im *image) from(base string) {
	switch im.stages++; im.stages {
	case 1:
		m := regexp.MustCompile(`^golang:1\.(\d+)\.\d+ AS build$`).FindStringSubmatch(base)
		if m == nil {
			im.t.Fatalf("FROM %s: a pinned version of Go is wanted", base)
		}
		if minor, _ := strconv.Atoi(m[1]); minor < 25 {
			im.t.Errorf("FROM %s is older than the go line of the modules", base)
		}
	case 2:
		if base != "scratch" {
			im.t.Errorf("FROM %s: this test knows an empty image only", base)
		}
		im.env, im.workdir = map[string]string{}, "/"
	default:
		im.t.Fatal("more than two stages")
	}
	must(im.t, os.MkdirAll(im.fs(), 0o755))
}

// run runs a command of the stage that builds; below /out it writes into the folder of that stage.
func (im *image) run(command string) {
	c := exec.CommandContext(im.t.Context(), "sh", "-c", strings.ReplaceAll(command, "/out", im.build+"/out"))
	c.Dir = im.fs() + im.workdir
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); name != "GOWORK" && name != "GOFLAGS" && name != "CGO_ENABLED" {
			c.Env = append(c.Env, v)
		}
	}
	for key, value := range im.env {
		c.Env = append(c.Env, key+"="+value)
	}
	if out, err := c.CombinedOutput(); err != nil {
		im.t.Fatalf("RUN %s: %v\n%s", command, err, out)
	}
}

func (im *image) copy(x instruction) {
	t := im.t
	from, to, _ := strings.Cut(x.rest, " ")
	if x.flags["--from"] == "" {
		im.context(im.fs() + im.workdir)
		return
	}
	if strings.HasSuffix(to, "/") {
		to += filepath.Base(from)
	}
	source, target := im.build+from, im.root+to
	if !strings.HasPrefix(from, "/out/") {
		source = from // of the base image; this machine has it too
	}
	must(t, os.MkdirAll(filepath.Dir(target), 0o755))
	info, err := os.Stat(source)
	must(t, err)
	if info.IsDir() {
		must(t, os.CopyFS(target, os.DirFS(source)))
	} else {
		copyFile(t, source, target)
	}
	if mode := x.flags["--chmod"]; mode != "" {
		bits, err := strconv.ParseUint(mode, 8, 32)
		must(t, err)
		must(t, os.Chmod(target, fs.FileMode(bits)))
	}
	if owner := x.flags["--chown"]; owner != "" && os.Getuid() == 0 {
		var uid, gid int
		_, err := fmt.Sscanf(owner, "%d:%d", &uid, &gid)
		must(t, err)
		must(t, os.Chown(target, uid, gid))
	}
}

// context copies what git tracks and the ignore file of the Dockerfile leaves.
func (im *image) context(to string) {
	t := im.t
	var ignored []string
	text, err := os.ReadFile(im.dockerfile + ".dockerignore")
	must(t, err)
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			ignored = append(ignored, line)
		}
	}
	c := exec.CommandContext(t.Context(), "git", "ls-files", "-z")
	c.Dir = ".."
	list, err := c.Output()
	must(t, err)
next:
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list), "\x00"), "\x00") {
		for _, i := range ignored {
			if name == i || strings.HasPrefix(name, i+"/") {
				continue next
			}
		}
		target := filepath.Join(to, name)
		must(t, os.MkdirAll(filepath.Dir(target), 0o755))
		copyFile(t, filepath.Join("..", name), target)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	info, err := os.Stat(from)
	must(t, err)
	content, err := os.ReadFile(from)
	must(t, err)
	must(t, os.WriteFile(to, content, 0o600))
	must(t, os.Chmod(to, info.Mode().Perm()))
}

// command is one in a container of the image: with its root, user, environment and working directory as root; without the
// rights to that, the same files where they are.
func (im *image) command(words []string, env map[string]string) *exec.Cmd {
	c := exec.CommandContext(im.t.Context(), words[0], words[1:]...)
	c.Dir, c.Env = im.workdir, []string{}
	all := map[string]string{}
	for _, from := range []map[string]string{im.env, env} {
		for key, value := range from {
			all[key] = value
		}
	}
	if os.Getuid() == 0 {
		c.SysProcAttr = &syscall.SysProcAttr{Chroot: im.root, Credential: &syscall.Credential{Uid: im.uid, Gid: im.gid}}
	} else {
		c.Path, c.Dir, all["EPHEMERA_DATA"] = im.root+words[0], im.root+im.workdir, im.root+im.env["EPHEMERA_DATA"]
	}
	for key, value := range all {
		c.Env = append(c.Env, key+"="+value)
	}
	return c
}

// isStatic: nothing is loaded when the program starts.
func isStatic(t *testing.T, program string) bool {
	t.Helper()
	f, err := elf.Open(program)
	must(t, err)
	defer func() { _ = f.Close() }()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return false
		}
	}
	return true
}
