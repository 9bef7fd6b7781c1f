package main

import (
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ephemera-go/ephemera/tools/internal/modset"
	"github.com/ephemera-go/ephemera/tools/internal/staging"
)

const (
	corePath = "github.com/ephemera-go/ephemera/core"
	midPath  = "github.com/ephemera-go/ephemera/mid"
)

// good is a tree of two modules that use each other as ours do before the first tag.
var good = map[string]string{
	"modules.txt":       "mid engine yes core\ncore engine yes -\n",
	"go.work":           "go 1.25.0\n\nuse (\n\t./core\n\t./mid\n)\n",
	"core/go.mod":       "module " + corePath + "\n\ngo 1.25.0\n",
	"core/core.go":      "package core\n\nfunc F() int { return 1 }\n",
	"core/core_test.go": "package core\n\nimport \"testing\"\n\nfunc TestF(t *testing.T) {\n\tif F() != 1 {\n\t\tt.Fail()\n\t}\n}\n",
	"mid/go.mod":        "module github.com/ephemera-go/ephemera/mid\n\ngo 1.25.0\n\nrequire " + corePath + " v0.1.0\n",
	"mid/mid.go":        "package mid\n\nimport \"" + corePath + "\"\n\nfunc G() int { return core.F() }\n",

	consumersDir + "/core/main.go":     "package main\n\nimport \"" + corePath + "\"\n\nfunc main() { core.F() }\n",
	consumersDir + "/core/modules.txt": corePath + "\n",
	consumersDir + "/mid/main.go":      "package main\n\nimport \"" + midPath + "\"\n\nfunc main() { mid.G() }\n",
	consumersDir + "/mid/modules.txt":  "# what a user of mid gets\n" + corePath + "\n" + midPath + "\n",
}

// repo writes a tree and lets git track it.
func repo(t *testing.T, changes map[string]string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds and tests modules")
	}
	t.Setenv("GOPROXY", "off")
	root := t.TempDir()
	files := maps.Clone(good)
	maps.Copy(files, changes)
	put(t, root, files)
	gitRun(t, root, "init", "-q")
	gitRun(t, root, "add", ".")
	return root
}

func put(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if err := staging.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func gitRun(t *testing.T, root string, args ...string) {
	t.Helper()
	args = append([]string{"-C", root, "-c", "user.name=t", "-c", "user.email=t@example.com"}, args...)
	if out, err := exec.CommandContext(t.Context(), "git", args...).CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

func tool(t *testing.T, root string, args ...string) (int, string) {
	t.Helper()
	var stdout, stderr strings.Builder
	code := run(t.Context(), append([]string{"-C", root}, args...), &stdout, &stderr)
	return code, stdout.String() + stderr.String()
}

// expect runs the tool and wants an exit status and a piece of its output.
func expect(t *testing.T, root string, code int, want string, args ...string) {
	t.Helper()
	if got, out := tool(t, root, args...); got != code || !strings.Contains(out, want) {
		t.Errorf("rehearse %v: exit %d, want %d and %q in:\n%s", args, got, code, want, out)
	}
}

func TestGoodTreeStaysUntouched(t *testing.T) {
	root := repo(t, map[string]string{"mid/go.sum": corePath + " v0.1.0 h1:stale=\n"})
	code, out := tool(t, root, "-test")
	if code != 0 || !strings.Contains(out, "core: test ok") || !strings.Contains(out, "mid: tidy build vet ok") {
		t.Fatalf("exit %d:\n%s", code, out)
	}
	if strings.Index(out, "core: ") > strings.Index(out, "mid: ") {
		t.Errorf("mid went before core, which it requires:\n%s", out)
	}
	left, err := exec.CommandContext(t.Context(), "git", "-C", root, "status", "--porcelain", "-uall").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(left)) {
		if !strings.HasPrefix(line, "A  ") {
			t.Errorf("the checkout changed: %s", line)
		}
	}
}

func TestFailures(t *testing.T) {
	tests := []struct {
		name    string
		changes map[string]string
		args    []string
		want    string
	}{
		{
			"missing-require",
			map[string]string{"mid/go.mod": "module github.com/ephemera-go/ephemera/mid\n\ngo 1.25.0\n", "modules.txt": "core e yes -\nmid e yes core\n"},
			nil, "mid: go mod tidy changes go.mod (make tidy mends it):\n\t+ require " + corePath,
		},
		{"unused-require", map[string]string{"mid/mid.go": "package mid\n"}, nil, "mid: go mod tidy changes go.mod"},
		{"stale-sum", map[string]string{"core/go.sum": "example.com/x v1.0.0 h1:x=\n"}, nil, "core: go mod tidy changes go.sum"},
		{"broken-import", map[string]string{"mid/x.go": "package mid\n\nimport _ \"" + corePath + "/none\"\n"}, nil, "mid: go mod tidy: exit"},
		{"build", map[string]string{"core/core.go": "package core\n\nvar x int = \"\"\n"}, nil, "core: go build -o"},
		{"vet", map[string]string{"core/x.go": "package core\n\nfunc h() { x := 1; x = x }\n"}, nil, "core: go vet ./..."},
		{"test", map[string]string{"core/core.go": "package core\n\nfunc F() int { return 2 }\n"}, []string{"-test"}, "core: go test -short"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { expect(t, repo(t, tt.changes), 1, tt.want, tt.args...) })
	}
}

func TestUntrackedFilesDoNotCount(t *testing.T) {
	root := repo(t, map[string]string{
		"mid/mid.go": "package mid\n\nimport \"" + corePath + "\"\n\nfunc G() int { return core.New() }\n",
	})
	put(t, root, map[string]string{"core/new.go": "package core\n\nfunc New() int { return 1 }\n"})
	cmd := exec.CommandContext(t.Context(), "go", "vet", "./mid")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "GOWORK="+filepath.Join(root, "go.work"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the workspace should hide the mistake: %v\n%s", err, out)
	}
	expect(t, root, 1, "undefined: core.New")
}

func TestDeletedFilesDoNotCount(t *testing.T) {
	root := repo(t, map[string]string{"core/x.go": "package core\n\nvar x int = \"\"\n"})
	if err := os.Remove(filepath.Join(root, "core/x.go")); err != nil {
		t.Fatal(err)
	}
	expect(t, root, 0, "core: tidy build vet ok", "core")
}

func TestHead(t *testing.T) {
	root := repo(t, nil)
	gitRun(t, root, "commit", "-q", "-m", "all")
	put(t, root, map[string]string{"core/core.go": "package core\n\nvar x int = \"\"\n"})
	expect(t, root, 1, "core: go build", "core")
	expect(t, root, 0, "core: tidy build vet ok", "-head", "core")
}

// Nobody gets a module that is not released, so its tests need not pass there.
func TestOnlyReleasedModulesAreTested(t *testing.T) {
	root := repo(t, map[string]string{
		"modules.txt":     "core engine yes -\nmid - no core\n",
		"mid/mid_test.go": "package mid\n\nimport \"testing\"\n\nfunc TestG(t *testing.T) { t.Fatal() }\n",
	})
	code, out := tool(t, root, "-test")
	if code != 0 || !strings.Contains(out, "core: test ok") || strings.Contains(out, "mid: test") {
		t.Errorf("exit %d:\n%s", code, out)
	}
}

func TestConsume(t *testing.T) {
	root := repo(t, nil)
	expect(t, root, 0, "a user of mid: ok, gets 2 modules", "-consume")
	expect(t, root, 0, "a user of core: ok, gets 1 modules", "-consume", "core")
	expect(t, root, 2, "none is not in modules.txt", "-consume", "none")
	expect(t, repo(t, map[string]string{consumersDir + "/mid/modules.txt": corePath + "\n"}), 1,
		"mid: consumer: go version -m lists other modules than expected:\n\t+ "+midPath, "-consume", "mid")
	expect(t, repo(t, map[string]string{consumersDir + "/core/main.go": "package main\n\nfunc main() { panic(1) }\n"}), 1,
		"core: consumer: consumer: exit status 2", "-consume", "core")
	expect(t, repo(t, map[string]string{"modules.txt": "core e yes -\nmid e yes core\nnew e yes -\n", "new/go.mod": "module x/new\n\ngo 1.25.0\n"}), 1,
		"new: no modules.txt below "+consumersDir+"/new", "-consume")
	expect(t, repo(t, map[string]string{"mid/mid.go": "package mid\n"}), 1, "mid: consumer: go build", "-consume", "mid")
}

// A module that begins to use another one is noticed by what its users get, also if nothing else in the tree minds.
func TestConsumeNoticesDependencies(t *testing.T) {
	heavy := repo(t, map[string]string{
		"core/go.mod":  good["core/go.mod"] + "\nrequire " + midPath + " v0.1.0\n",
		"core/core.go": "package core\n\nimport _ \"" + midPath + "\"\n\nfunc F() {}\n",
		"mid/go.mod":   "module " + midPath + "\n\ngo 1.25.0\n",
		"mid/mid.go":   "package mid\n",
	})
	for _, what := range []string{"go list -m all", "go version -m"} {
		expect(t, heavy, 1, "core: consumer: "+what+" lists other modules than expected:\n\t+ "+midPath, "-consume", "core")
	}
	light := repo(t, map[string]string{
		"mid/go.mod": "module " + midPath + "\n\ngo 1.25.0\n", "mid/mid.go": "package mid\n\nfunc G() {}\n",
	})
	expect(t, light, 1, "mid: consumer: go version -m lists other modules than expected:\n\t- "+corePath, "-consume", "mid")
}

// The module cache is the user's, and nothing of ours stays in it.
func TestNothingStaysInTheModuleCache(t *testing.T) {
	root := repo(t, nil)
	put(t, root, map[string]string{"mid/cmd/hello/main.go": "package main\n\nfunc main() {}\n"})
	gitRun(t, root, "add", ".")
	_, out := tool(t, root, "-install", "mid/cmd/hello")
	_, version, _ := strings.Cut(out, "mid/cmd/hello@")
	version, _, ok := strings.Cut(version, ": ok\n")
	if !ok || !strings.HasPrefix(version, "v0.1.0-rehearse.") {
		t.Fatalf("version %q in:\n%s", version, out)
	}
	cache := goEnv(t, "GOMODCACHE")
	for _, pattern := range []string{"mid@" + version, "../../../cache/download/github.com/ephemera-go/ephemera/mid/@v/" + version + "*"} {
		if left, err := filepath.Glob(filepath.Join(cache, "github.com/ephemera-go/ephemera", pattern)); err != nil || len(left) > 0 {
			t.Errorf("left: %v, %v", left, err)
		}
	}
}

func TestInstall(t *testing.T) {
	root := repo(t, map[string]string{
		"mid/cmd/hello/main.go": "package main\n\nimport \"github.com/ephemera-go/ephemera/mid\"\n\nfunc main() { println(mid.G()) }\n",
	})
	marker := filepath.Join(t.TempDir(), "marker")
	expect(t, root, 0, "/mid/cmd/hello@v", "-install", "mid/cmd/hello", "-then", "hello 2>"+marker)
	if got, err := os.ReadFile(marker); err != nil || string(got) != "1\n" {
		t.Errorf("the installed program wrote %q, %v", got, err)
	}
	expect(t, root, 1, "mid: exit 3: exit status 3", "-install", "mid/cmd/hello", "-then", "exit 3")
	expect(t, root, 1, "mid: go install", "-install", "mid/cmd/none")
	expect(t, root, 2, "far/cmd/hello is in no module", "-install", "far/cmd/hello")
}

// Sums of siblings that are out stay; those of other versions go.
func TestTidyKeepsSumsOfTags(t *testing.T) {
	sums := corePath + " v0.1.0 h1:one=\n" + corePath + " v0.1.0/go.mod h1:two=\n"
	root, dir := repo(t, map[string]string{"mid/go.sum": corePath + " v0.0.9 h1:old=\n" + sums}), t.TempDir()
	expect(t, root, 0, "mid: tidy ok", "-tidy", dir)
	if got, err := os.ReadFile(filepath.Join(dir, "mid/go.sum")); err != nil || string(got) != sums {
		t.Errorf("%v, mid/go.sum:\n%s\nwant:\n%s", err, got, sums)
	}
}

func TestTidyWritesBeside(t *testing.T) {
	root, dir := repo(t, map[string]string{
		"core/go.mod": good["core/go.mod"] + "\nrequire github.com/ephemera-go/ephemera/tools v0.1.0\n",
		"mid/go.mod":  "module github.com/ephemera-go/ephemera/mid\n\ngo 1.25.0\n",
		"modules.txt": "tools t yes -\ncore e yes -\nmid e yes core\n", "tools/go.mod": "module github.com/ephemera-go/ephemera/tools\n\ngo 1.25.0\n",
		"tools/doc.go": "package tools\n",
	}), t.TempDir()
	expect(t, root, 0, "mid: tidy ok", "-tidy", dir)
	for _, name := range []string{"core/go.mod", "mid/go.mod"} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != good[name] {
			t.Errorf("%s:\n%s\nwant:\n%s", name, got, good[name])
		}
	}
}

func TestWrongUse(t *testing.T) {
	root := repo(t, nil)
	expect(t, root, 0, "usage: rehearse", "-h")
	expect(t, root, 2, "usage: rehearse", "-x")
	expect(t, root, 2, "none is not in modules.txt", "none")
	expect(t, t.TempDir(), 2, "git ls-files")
	expect(t, repo(t, map[string]string{"modules.txt": "core e yes\n"}), 2, "want 4 columns")
	expect(t, repo(t, map[string]string{"modules.txt": "core e yes -\nmore e yes -\n"}), 2, "more/go.mod is not tracked")
	expect(t, repo(t, map[string]string{
		"core/go.mod": good["core/go.mod"] + "\nrequire github.com/ephemera-go/ephemera/mid v0.1.0\n",
	}), 2, "requires itself")
}

func TestInterrupt(t *testing.T) {
	root := repo(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr strings.Builder
	if code := run(ctx, []string{"-C", root}, &stdout, &stderr); code == 0 {
		t.Errorf("an interrupted rehearsal reports success:\n%s%s", stdout.String(), stderr.String())
	}
}

// Two rehearsals at a time do not take each other's files and modules away.
func TestClaims(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	temp := t.TempDir()
	first, release, err := claim(temp, false)
	if err != nil {
		t.Fatal(err)
	}
	second, release2, err := claim(temp, false)
	if err != nil || second.tree == first.tree || second.suffix == "" {
		t.Errorf("at the same time: %+v and %+v, %v", first, second, err)
	}
	release2()
	release()
	third, release, err := claim(temp, false)
	if err != nil || third != first {
		t.Errorf("after %+v: %+v, %v", first, third, err)
	}
	release()
	if kept, _, err := claim(temp, true); err != nil || kept.tree == first.tree {
		t.Errorf("to be kept: %+v, %v", kept, err)
	}
}

func TestVersionsFollowContent(t *testing.T) {
	root := t.TempDir()
	put(t, root, good)
	set, err := modset.Load(root)
	if err != nil {
		t.Fatal(err)
	}
	of := func(suffix string) map[string]string {
		t.Helper()
		order, err := staging.Order(set, root, []string{"mid"})
		if err != nil {
			t.Fatal(err)
		}
		got, err := versions(set, root, order, suffix)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	first := of("")
	if again := of(""); !maps.Equal(first, again) || first["core"] == first["mid"] {
		t.Errorf("versions %v, again %v", first, again)
	}
	if other := of("x"); other["core"] == first["core"] {
		t.Errorf("versions %v of two rehearsals at a time", other)
	}
	put(t, root, map[string]string{"mid/mid.go": "package mid\n"})
	second := of("")
	if second["core"] != first["core"] || second["mid"] == first["mid"] {
		t.Errorf("mid changed: versions %v, before %v", second, first)
	}
	put(t, root, map[string]string{"core/core.go": "package core\n\nfunc F() int { return 2 }\n"})
	third := of("")
	if third["core"] == first["core"] || third["mid"] == second["mid"] {
		t.Errorf("core changed: versions %v, before %v", third, second)
	}
}

// What did not change is not tested again; a changed file that a test reads counts, also at the same size.
func TestUnchangedModulesAreNotTestedAgain(t *testing.T) {
	reads := "package core\n\nimport (\n\t\"os\"\n\t\"testing\"\n)\n\nfunc TestF(t *testing.T) {\n" +
		"\tif text, err := os.ReadFile(\"testdata/word\"); err != nil || string(text) != \"good\" {\n\t\tt.Fatal(err, string(text))\n\t}\n}\n"
	unique := "package core\n\n// " + t.TempDir() + "\nfunc F() int { return 1 }\n"
	root := repo(t, map[string]string{"core/core.go": unique, "core/core_test.go": reads, "core/testdata/word": "good"})
	t.Setenv("GOCACHE", goEnv(t, "GOCACHE")) // it would follow the next one
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	expect(t, root, 0, "core: test ok (", "-test", "core")
	expect(t, root, 0, "core: test ok, unchanged (", "-test", "core")
	put(t, root, map[string]string{"core/testdata/word": "evil"})
	expect(t, root, 1, "core: go test -short", "-test", "core")
}
