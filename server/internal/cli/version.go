package cli

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
)

// release is set by the linker in released binaries.
var release string

// version is that of the release, of the module as it was installed, or of the revision.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return "devel " + s.Value[:min(12, len(s.Value))]
		}
	}
	return "devel"
}

type versionCmd struct{}

func (versionCmd) Help() string {
	return `Examples:

  ephemera version
  ephemera version --json`
}

func (versionCmd) Run(w *world) error {
	if w.json {
		return json.NewEncoder(w.stdout).Encode(map[string]string{
			"version": version(), "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH,
		})
	}
	w.say("%s", versionLine())
	return nil
}

func versionLine() string {
	return fmt.Sprintf("ephemera %s, %s, %s/%s", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
