package staging

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ephemera-go/ephemera/tools/internal/modset"
)

// Environment makes the go command work outside of the workspace and take our modules from the proxy, all others from where
// they usually come. They go to the folder cache, or to the user's module cache if that is "".
//
// The user's own is the faster one: what everyday work has compiled of other modules is not compiled again, because it lies
// in the same folders. It must never see one of our modules at a version that users could ask for.
func Environment(ctx context.Context, proxy Proxy, cache string) ([]string, error) {
	vars, err := goEnv(ctx, "GOPROXY", "GOMODCACHE", "GONOSUMDB", "GOFLAGS")
	if err != nil {
		return nil, err
	}
	goproxy := []string{fileURL(string(proxy))}
	flags := slices.DeleteFunc(strings.Fields(vars[3]), func(f string) bool { return strings.HasPrefix(f, "-mod") })
	flags = append(flags, "-modcacherw")
	if cache != "" {
		goproxy = append(goproxy, fileURL(filepath.Join(vars[1], "cache", "download")))
		// -trimpath, or where the folder lies would be part of everything that is compiled.
		flags = append(flags, "-trimpath")
	} else {
		cache = vars[1]
	}
	return append(os.Environ(),
		"GOWORK=off",
		"GOPROXY="+strings.Join(append(goproxy, vars[0]), ","),
		"GOMODCACHE="+cache,
		"GONOPROXY=none",
		"GONOSUMDB="+strings.Trim(vars[2]+","+modset.Prefix+"/*", ","),
		"GOFLAGS="+strings.Join(flags, " "),
	), nil
}

func goEnv(ctx context.Context, names ...string) ([]string, error) {
	out, err := exec.CommandContext(ctx, "go", append([]string{"env"}, names...)...).Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	return strings.Split(string(out), "\n"), nil
}

func fileURL(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return "file://" + path
}
