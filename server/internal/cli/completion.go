package cli

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

func (completionCmd) Help() string {
	return `Examples:

  source <(ephemera completion bash)
  ephemera completion zsh > ~/.zfunc/_ephemera
  ephemera completion fish > ~/.config/fish/completions/ephemera.fish`
}

// Run writes a script that knows commands and flags. It is made from the grammar, so it never lags behind.
func (c completionCmd) Run(w *world, k *kong.Context) error {
	words := map[string]string{} // what may follow a command
	gather(k.Model.Node, "ephemera", words)
	if c.Shell == "fish" {
		w.say("%s", fish(k.Model.Node))
		return nil
	}
	var b strings.Builder
	if c.Shell == "zsh" {
		b.WriteString("#compdef ephemera\nautoload -U +X bashcompinit && bashcompinit\n")
	}
	b.WriteString("_ephemera() {\n  local path=ephemera word i\n  for ((i = 1; i < COMP_CWORD; i++)); do\n" +
		"    word=\"${COMP_WORDS[i]}\"\n    case \"$path $word\" in\n")
	for _, path := range paths(k.Model.Node, "ephemera") {
		if path != "ephemera" {
			fmt.Fprintf(&b, "      %q) path=\"$path $word\" ;;\n", path)
		}
	}
	b.WriteString("    esac\n  done\n  case \"$path\" in\n")
	for _, path := range paths(k.Model.Node, "ephemera") {
		fmt.Fprintf(&b, "    %q) word=%q ;;\n", path, words[path])
	}
	b.WriteString("  esac\n  COMPREPLY=($(compgen -W \"$word\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n}\n" +
		"complete -o default -F _ephemera ephemera")
	w.say("%s", b.String())
	return nil
}

func paths(n *kong.Node, path string) []string {
	list := []string{path}
	for _, child := range n.Children {
		list = append(list, paths(child, path+" "+child.Name)...)
	}
	return list
}

func gather(n *kong.Node, path string, words map[string]string) {
	var list []string
	for _, child := range n.Children {
		list = append(list, child.Name)
		gather(child, path+" "+child.Name, words)
	}
	for _, group := range n.AllFlags(true) {
		for _, flag := range group {
			list = append(list, "--"+flag.Name)
		}
	}
	words[path] = strings.Join(list, " ")
}

func fish(root *kong.Node) string {
	var b strings.Builder
	b.WriteString("complete -c ephemera -f\n")
	for _, command := range root.Children {
		fmt.Fprintf(&b, "complete -c ephemera -n __fish_use_subcommand -a %s -d %q\n", command.Name, command.Help)
		seen := "__fish_seen_subcommand_from " + command.Name
		for _, child := range command.Children {
			fmt.Fprintf(&b, "complete -c ephemera -n %q -a %s -d %q\n", seen, child.Name, child.Help)
		}
		for _, group := range command.AllFlags(true) {
			for _, flag := range group {
				fmt.Fprintf(&b, "complete -c ephemera -n %q -l %s -d %q\n", seen, flag.Name, flag.Help)
			}
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}
