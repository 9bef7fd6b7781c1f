package cli

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/ephemera-go/ephemera/server/internal/config"
	"github.com/ephemera-go/ephemera/sinks"
)

type configCmd struct {
	Show configShowCmd `cmd:"" help:"Print every value of serve and where it comes from."`
}

type configShowCmd struct {
	serverFlags
}

func (configShowCmd) Help() string {
	return `Takes the flags of serve. A value comes from the command line, else from its variable, else from the config file, else it
is the default. The token is not shown.

Examples:

  ephemera config show
  EPHEMERA_LISTEN=127.0.0.1:9000 ephemera config show --config ephemera.yaml --json`
}

// Run prints what serve would use.
func (c *configShowCmd) Run(w *world, k *kong.Context) error {
	given := map[string]bool{}
	for _, p := range k.Path {
		if p.Flag != nil && !p.Resolved {
			given[p.Flag.Name] = true
		}
	}
	for _, flag := range k.Selected().Flags {
		if len(flag.Envs) == 0 {
			continue
		}
		source := "default"
		switch {
		case given[flag.Name]:
			source = "command line"
		case config.FromEnvironment(flag):
			source = flag.Envs[0]
		case w.file != nil && w.file.Has(flag.Name):
			source = "config file"
		}
		value := fmt.Sprint(flag.Target.Interface())
		if strings.Contains(value, "://") {
			value = sinks.Redact(value)
		}
		if w.json {
			err := json.NewEncoder(w.stdout).Encode(map[string]string{"flag": flag.Name, "value": value, "source": source})
			if err != nil {
				return err
			}
			continue
		}
		if value == "" {
			value = `""`
		}
		w.say("%-18s %-24s # %s", flag.Name+":", value, source)
	}
	return nil
}
