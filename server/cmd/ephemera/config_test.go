package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPrecedence(t *testing.T) {
	file := write(t, "e.yaml", "# where\nlisten: 127.0.0.1:1\ndata: /from/file\nmax-body: 2MiB\nmax-streams: 7\ninsecure-no-token: true\n")
	t.Setenv("EPHEMERA_DATA", "/from/environment")
	t.Setenv("EPHEMERA_LISTEN", "127.0.0.1:2")
	t.Setenv("EPHEMERA_CONFIG", file)
	code, out, text := once(t, "config", "show", "--listen", "127.0.0.1:3", "--json")
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, text)
	}
	got := map[string][2]string{}
	for line := range strings.Lines(out) {
		var x struct{ Flag, Value, Source string }
		if err := json.Unmarshal([]byte(line), &x); err != nil {
			t.Fatal(err)
		}
		got[x.Flag] = [2]string{x.Value, x.Source}
	}
	for flag, want := range map[string][2]string{
		"listen":            {"127.0.0.1:3", "command line"},
		"data":              {"/from/environment", "EPHEMERA_DATA"},
		"max-body":          {"2MiB", "config file"},
		"max-streams":       {"7", "config file"},
		"insecure-no-token": {"true", "config file"},
		"restore":           {"newest", "default"},
	} {
		if got[flag] != want {
			t.Errorf("%s: %v, want %v", flag, got[flag], want)
		}
	}
}

func TestConfigShowIsAConfigFile(t *testing.T) {
	_, out, _ := once(t, "config", "show", "--max-body", "3MiB")
	code, again, text := once(t, "config", "show", "--config", write(t, "e.yaml", out))
	if code != 0 || !strings.Contains(again, "3MiB") || strings.Contains(again, "default") {
		t.Errorf("exit code %d: %s%s", code, again, text)
	}
}

func TestBadConfigFile(t *testing.T) {
	for text, says := range map[string][]string{
		"listen: 127.0.0.1:1\nlisen: x\n":          {":2: lisen: no such key"},
		"\n\nmax-body: much\n":                     {":3: max-body: ", "size"},
		"max-streams: many\nkey-age: old\n":        {":1: max-streams: ", ":2: key-age: "},
		"log-level: loud\n":                        {":1: log-level: ", "warn"},
		"listen: a\nlisten: b\n":                   {":2: listen: stands in line 1"},
		"data:\n  - a\n":                           {":2: data: one value"},
		"data: \"a\n":                              {"line 2"},
		"- a\n":                                    {":1: lines of the form"},
		"listen: a\n---\ndata: b\n":                {":2: a second document"},
		"listen: a\n...\n[b\n":                     {"line 2"},
		"token: a-secret-of-some-length-0123456\n": {":1: token: no such key"},
	} {
		file := write(t, "e.yaml", text)
		code, _, stderr := once(t, "serve", "--config", file)
		if code != 2 || strings.Contains(stderr, "a-secret") {
			t.Errorf("%q: exit code %d: %s", text, code, stderr)
		}
		for _, s := range says {
			if !strings.Contains(stderr, s) {
				t.Errorf("%q: no %q in %s", text, s, stderr)
			}
		}
	}
	if code, _, stderr := once(t, "serve", "--config", "/no/file.yaml"); code != 2 || !strings.Contains(stderr, "/no/file.yaml") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// TestBadEnvironment: every variable with a bad value is named, with what is wanted, before anything is made or opened.
func TestBadEnvironment(t *testing.T) {
	for name, x := range map[string]struct{ value, wanted string }{
		"EPHEMERA_MAX_BODY":          {"much", "size"},
		"EPHEMERA_MAX_HEADER":        {"-1", "size"},
		"EPHEMERA_SNAPSHOT_KEEP":     {"few", "int"},
		"EPHEMERA_MAX_STREAMS":       {"-7", "negative"},
		"EPHEMERA_KEY_AGE":           {"1y", "duration"},
		"EPHEMERA_DRAIN_TIMEOUT":     {"-1s", "negative"},
		"EPHEMERA_INSECURE_NO_TOKEN": {"perhaps", "bool"},
		"EPHEMERA_RESTORE":           {"oldest", "newest,older,empty"},
		"EPHEMERA_LOG_LEVEL":         {"loud", "debug,info,warn,error"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, x.value)
			data := filepath.Join(t.TempDir(), "d")
			code, out, text := once(t, "serve", "--listen", "127.0.0.1:0", "--data", data)
			if code != 2 || !strings.Contains(text, name+": ") || !strings.Contains(text, x.wanted) || out != "" {
				t.Errorf("exit code %d: %s%s", code, out, text)
			}
			if _, err := os.Stat(data); err == nil {
				t.Error("the data directory was made")
			}
			if code, out, _ := once(t, "serve", "--help"); code != 0 || !strings.Contains(out, "--max-body") {
				t.Errorf("help needs a good environment: exit code %d", code)
			}
			ok(t, "version") // heeds none of them
		})
	}
	t.Run("all together", func(t *testing.T) {
		t.Setenv("EPHEMERA_MAX_BODY", "much")
		t.Setenv("EPHEMERA_RESTORE", "oldest")
		if _, _, text := once(t, "serve"); !strings.Contains(text, "EPHEMERA_MAX_BODY: ") || !strings.Contains(text, "EPHEMERA_RESTORE: ") {
			t.Errorf("%s", text)
		}
	})
	t.Run("no secret", func(t *testing.T) {
		const secret = "hunter2 hunter2 hunter2"
		t.Setenv("EPHEMERA_TOKEN", secret)
		if code, out, text := once(t, "serve"); code != 2 || !strings.Contains(text, "EPHEMERA_TOKEN: ") || strings.Contains(out+text, "hunter2") {
			t.Errorf("exit code %d: %s%s", code, out, text)
		}
	})
}

// TestZeroIsNoDefault: a limit of 0 is refused where it would be taken for the default.
func TestZeroIsNoDefault(t *testing.T) {
	code, _, text := once(t, "serve", "--listen=127.0.0.1:0", "--data="+t.TempDir(), "--stream-events=0", "--max-streams=0", "--max-keys=0",
		"--key-age=0s", "--metric-events=0", "--signal-capacity=0", "--signal-age=0s", "--snapshot-keep=0")
	for _, name := range []string{"Limits.Events", "MaxStreams", "MaxKeys", "KeyAge", "MetricEvents", "SignalCount", "SignalAge", "Keep"} {
		if code != 2 || !strings.Contains(text, name+": 0") {
			t.Errorf("exit code %d, %s: %s", code, name, text)
		}
	}
}

func TestWithoutArgumentsItTeaches(t *testing.T) {
	code, out, _ := once(t)
	if code != 0 || !strings.Contains(out, "ephemera serve") || !strings.Contains(out, "curl") {
		t.Errorf("exit code %d: %s", code, out)
	}
}
