//go:build unix

package outfile

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// The link stays, also when it leads nowhere yet, or by way of a folder that is a link.
func TestLinks(t *testing.T) {
	dir := t.TempDir()
	for _, sub := range []string{"a", "a/deep", "b"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{
		"link": "b/target", "again": "link", "folder": "a/deep", "a/deep/up": "../target", "loop": "loop",
	} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range [][2]string{{"link", "b/target"}, {"again", "b/target"}, {"folder/up", "a/target"}} {
		path, target := filepath.Join(dir, test[0]), filepath.Join(dir, test[1])
		if err := Check(path); err != nil {
			t.Fatal(err)
		}
		if err := Write(path, text("to "+test[0])); err != nil {
			t.Fatal(err)
		}
		holds(t, target, "to "+test[0])
		if info, err := os.Lstat(path); err != nil || info.Mode()&os.ModeSymlink == 0 {
			t.Errorf("%s is no link any more: %v, %v", path, info, err)
		}
	}
	if err := Write(filepath.Join(dir, "loop"), text("x")); err == nil {
		t.Error("a loop of links was written")
	}
}

func TestPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Check(path); err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 1)
	go func() {
		data, err := os.ReadFile(path)
		if err != nil {
			data = []byte(err.Error())
		}
		got <- string(data)
	}()
	if err := Write(path, text("through")); err != nil {
		t.Fatal(err)
	}
	if s := <-got; s != "through" {
		t.Errorf("%q came out", s)
	}
	if info, err := os.Stat(path); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		t.Errorf("the pipe was replaced: %v, %v", info, err)
	}
}

// The file to which our output goes would lose what is printed before and after if it were replaced.
func TestStandardOutput(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "out.txt"))
	if err != nil {
		t.Fatal(err)
	}
	old := os.Stdout
	os.Stdout = file
	defer func() { os.Stdout = old }()
	for _, write := range []func(io.Writer) error{text("one "), text("two ")} {
		if _, err := io.WriteString(os.Stdout, "before "); err != nil {
			t.Fatal(err)
		}
		if err := Write(file.Name(), write); err != nil {
			t.Fatal(err)
		}
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	holds(t, file.Name(), "before one before two ")
}

// Where nobody may create files, not even root.
func TestUnwritableFolder(t *testing.T) {
	if runtime.GOOS != "linux" {
		return
	}
	if err := Check("/proc/report.md"); err == nil || !strings.Contains(err.Error(), "outfile: write /proc/report.md") {
		t.Errorf("error %v", err)
	}
}
