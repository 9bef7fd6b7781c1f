//go:build linux

package verify

import (
	"bytes"
	"encoding/json"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// maxExposure is ten times the exposure that systemd may find: 0 is none, 100 all.
const maxExposure = "15"

// unit reads the settings of a unit, each with all its values.
func unit(t *testing.T, file string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(file)
	must(t, err)
	settings := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			settings[key] = append(settings[key], value)
		}
	}
	return settings
}

// systemdTest checks the unit: systemd understands all of it and finds little exposed, the server lives with its command, its
// time limits and its filter of system calls, and says when it is ready.
func systemdTest(t *testing.T, bin string) {
	analyze, strace := program(t, "systemd-analyze"), program(t, "strace")
	source := filepath.Join(deployDir, "ephemera.service")
	text, err := os.ReadFile(source)
	must(t, err)
	settings := unit(t, source)
	command := settings["ExecStart"][0]
	installed, _, _ := strings.Cut(command, " ")
	text = bytes.Replace(text, []byte(installed), []byte(bin), 1)
	check := func(text []byte, words ...string) (string, error) {
		file := filepath.Join(t.TempDir(), "ephemera.service")
		must(t, os.WriteFile(file, text, 0o600))
		out, err := exec.CommandContext(t.Context(), analyze, append(words, file)...).CombinedOutput()
		return string(out), err
	}
	if out, err := check(text, "verify", "--man=no"); err != nil || out != "" {
		t.Errorf("%v: %s", err, out)
	}
	if out, _ := check(bytes.Replace(text, []byte("NoNewPrivileges="), []byte("NoPrivileges="), 1), "verify", "--man=no"); !strings.Contains(out, "NoPrivileges") {
		t.Errorf("an unknown setting is not noticed, so this test proves nothing: %s", out)
	}
	security := []string{"security", "--offline=true", "--no-pager", "--threshold=" + maxExposure}
	if out, err := check(text, security...); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if _, err := check(bytes.Replace(text, []byte("SystemCallFilter="), []byte("#"), 1), security...); err == nil {
		t.Error("without a filter it is as safe, so the bound proves nothing")
	}
	if got, need := limit(t, settings["TimeoutStopSec"][0]), timeToStop(t, bin); got <= need {
		t.Errorf("%v to stop, and the server takes up to %v", got, need)
	}

	trace := runUnit(t, command, bin, strace)
	waitFor(t, func() bool {
		b, err := os.ReadFile(trace)
		return err == nil && bytes.Contains(b, []byte("+++ exited with 0 +++"))
	}, func() string { return "the trace has no end" })
	b, err := os.ReadFile(trace)
	must(t, err)
	checkCalls(t, string(b), allowedCalls(t, analyze, settings["SystemCallFilter"]))
}

func limit(t *testing.T, text string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(text)
	must(t, err)
	return d
}

// timeToStop is what the server grants itself unless it is told otherwise.
func timeToStop(t *testing.T, bin string) (all time.Duration) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), bin, "config", "show", "--json").Output()
	must(t, err)
	for line := range strings.Lines(string(out)) {
		var x struct{ Flag, Value string }
		must(t, json.Unmarshal([]byte(line), &x))
		if x.Flag == "drain-timeout" || x.Flag == "final-timeout" {
			all += limit(t, x.Value)
		}
	}
	if all == 0 {
		t.Fatal("no time limits in config show")
	}
	return all
}

// runUnit runs the command of a unit as systemd does with Type=notify, by a user without rights if it can, until it is ready,
// and stops it. It returns the file with its system calls.
func runUnit(t *testing.T, command, bin, strace string) (trace string) {
	t.Helper()
	dir := t.TempDir()
	trace = filepath.Join(dir, "trace")
	must(t, os.WriteFile(filepath.Join(dir, "token"), []byte(dashboardToken+"\n"), 0o600))
	socket := filepath.Join(dir, "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	must(t, err)
	defer func() { _ = l.Close() }()
	expand := strings.NewReplacer("${STATE_DIRECTORY}", filepath.Join(dir, "state"), "${CREDENTIALS_DIRECTORY}", dir)
	words := append([]string{"-D", "-f", "-o", trace, bin}, strings.Fields(expand.Replace(command))[1:]...)
	address := freeAddress(t)
	c := exec.CommandContext(t.Context(), strace, words...) // becomes the server; the tracer is its child
	if os.Getuid() == 0 {
		const nobody = 65534
		must(t, os.Chmod(filepath.Dir(dir), 0o755))
		for _, name := range []string{dir, filepath.Join(dir, "token"), socket} {
			must(t, os.Chown(name, nobody, nobody))
		}
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	c.Env = []string{"NOTIFY_SOCKET=" + socket, "EPHEMERA_LISTEN=" + address}
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	must(t, c.Start())
	t.Cleanup(func() { _ = c.Process.Kill() })
	must(t, l.SetReadDeadline(time.Now().Add(clientTimeout)))
	b := make([]byte, 1024)
	for heard := ""; !strings.HasPrefix(heard, "READY=1\n"); {
		n, err := l.Read(b)
		if err != nil {
			t.Fatalf("systemd was not told: %v: %s", err, &out)
		}
		heard = string(b[:n])
	}
	s := &serverProcess{t: t, url: "http://" + address, client: newClient()}
	s.post("/streams/a", `{"data":1}`)
	s.post("/signals?flush=true", `{"name":"a"}`)
	s.post("/admin/snapshot", "")
	must(t, c.Process.Signal(syscall.SIGTERM))
	if err := c.Wait(); err != nil {
		t.Errorf("%v: %s", err, &out)
	}
	return trace
}

// allowedCalls are those that the filters of a unit let through.
func allowedCalls(t *testing.T, analyze string, filters []string) map[string]bool {
	t.Helper()
	var members func(group string) []string
	members = func(group string) (calls []string) {
		out, err := exec.CommandContext(t.Context(), analyze, "syscall-filter", "--no-pager", group).Output()
		must(t, err)
		for line := range strings.Lines(string(out)) {
			switch word := strings.TrimSpace(line); {
			case word == "" || word == group || strings.HasPrefix(word, "#"):
			case strings.HasPrefix(word, "@"):
				calls = append(calls, members(word)...)
			default:
				calls = append(calls, word)
			}
		}
		return calls
	}
	allowed := map[string]bool{}
	for _, filter := range filters {
		list, denied := strings.CutPrefix(filter, "~")
		for group := range strings.FieldsSeq(list) {
			for _, call := range members(group) {
				allowed[call] = !denied
			}
		}
	}
	for _, call := range members("@default") { // always
		allowed[call] = true
	}
	return allowed
}

// checkCalls finds what the settings of the unit would have refused.
func checkCalls(t *testing.T, trace string, allowed map[string]bool) {
	t.Helper()
	made := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\d+ +(\w+)\(`).FindAllStringSubmatch(trace, -1) {
		made[m[1]] = true
	}
	if !made["flock"] && !made["fcntl"] || !made["fsync"] || !made["accept4"] {
		t.Errorf("the trace is not that of a server: %v", slices.Sorted(maps.Keys(made)))
	}
	for _, call := range slices.Sorted(maps.Keys(made)) {
		if !allowed[call] {
			t.Errorf("SystemCallFilter refuses %s", call)
		}
	}
	for _, m := range regexp.MustCompile(`socket\((\w+), `).FindAllStringSubmatch(trace, -1) {
		if !slices.Contains([]string{"AF_INET", "AF_INET6", "AF_UNIX"}, m[1]) {
			t.Errorf("RestrictAddressFamilies refuses %s", m[1])
		}
	}
	if strings.Contains(trace, "PROT_WRITE|PROT_EXEC") {
		t.Error("MemoryDenyWriteExecute refuses memory that is written and run")
	}
}
