package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/ephemera-go/ephemera/examples/internal/program"
)

func TestMain(m *testing.M) { program.Main(m, main) }

// needs skips a test on a machine that lacks what the scenario starts.
func needs(t *testing.T) {
	t.Helper()
	if os.Getenv("EPHEMERA_CI") != "" {
		return
	}
	_, err := exec.LookPath("nginx")
	if err != nil {
		_, err = exec.LookPath("/usr/sbin/nginx")
	}
	if err != nil {
		t.Skip("nginx is not installed")
	}
	if err := exec.CommandContext(t.Context(), "go", "list", module+"server/cmd/ephemera").Run(); err != nil {
		t.Skip("the server is not in this workspace")
	}
}

// TestParity69_Gateways is the acceptance case: three gateways behind nginx, single orders, a bulk, bulks out of range, and a
// gateway that is killed among orders.
func TestParity69_Gateways(t *testing.T) {
	needs(t)
	orders := "1000"
	if testing.Short() {
		orders = "100"
	}
	var out, complaints bytes.Buffer
	if code := run(t.Context(), []string{"--orders", orders}, &out, &complaints); code != exitOK { // not as a process: it builds, however long that takes
		t.Fatalf("exit %d\n%s%s", code, &out, &complaints)
	}
	for _, want := range []string{
		"bulks of -1, 1001, nothing and many refused\n", orders + " orders of 8 customers confirmed\n", "50 orders in bulk confirmed\n",
		orders + " orders of 8 customers confirmed, while g2 was killed\n", "  g2 sent ? (killed), ", "every order is counted once\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, &out)
		}
	}
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	numbers := regexp.MustCompile(`\d+`)
	for line := range strings.Lines(out.String()) {
		if line = strings.TrimSuffix(line, "\n"); strings.Contains(line, "came here again") {
			continue // by chance
		}
		if want := "\n    " + numbers.ReplaceAllString(line, "0"); !strings.Contains(numbers.ReplaceAllString(string(readme), "0"), want) {
			t.Errorf("README.md does not show %q", line)
		}
	}
}

// interrupter ends a run as soon as it has written something.
type interrupter struct{ context.CancelFunc }

func (i interrupter) Write(p []byte) (int, error) {
	i.CancelFunc()
	return len(p), nil
}

func TestInterrupt(t *testing.T) {
	needs(t)
	ctx, cancel := context.WithCancel(t.Context())
	var complaints bytes.Buffer
	if code := run(ctx, nil, interrupter{cancel}, &complaints); code != exitInterrupted || complaints.String() != "scenario: interrupted\n" {
		t.Errorf("exit %d\n%s", code, &complaints)
	}
}

// dies forwards to a gateway and loses the replies to orders, as a gateway does that dies just then.
func dies(t *testing.T, gateway string) (address string) {
	t.Helper()
	to, err := url.Parse(gateway)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			proxy.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// TestStoredByAGatewayThatDies: two gateways die between storing and replying. nginx goes on to the third one, with the same key
// although the customer sent none, and that one finds the order stored.
func TestStoredByAGatewayThatDies(t *testing.T) {
	needs(t)
	top, err := start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := top.stop(); err != nil {
			t.Error(err)
		}
	})
	conf, err := nginxConf(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := &book{out: io.Discard, t: top, by: map[string]group{}}
	for name, order := range map[string]func() error{
		"with a key": func() error { _, err := b.order(t.Context(), 0); return err },
		"without":    func() error { _, err := b.order(t.Context(), 1); return err },
		"in bulk":    func() error { return b.bulk(t.Context(), 5) },
	} {
		// A new nginx has not seen yet who dies, and asks the first one first.
		addresses := [3]string{dies(t, top.gateways[0].url), dies(t, top.gateways[1].url), strings.TrimPrefix(top.gateways[2].url, "http://")}
		if top.nginx, err = top.startNginx(t.Context(), conf, addresses); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			if err := order(); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	if err := b.check(t.Context(), 3); err != nil {
		t.Error(err)
	}
	if b.by["g1"].Count == 0 || b.by["g3"].Count == 0 {
		t.Errorf("not all of the gateways stored orders: %v", b.by)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"--order", "1"}, {"--orders", "0"}, {"--customers", "0"}, {"now"}} {
		if got := program.Run(t, args...); got.Code != exitUsage || !strings.HasSuffix(got.Stderr, "(--help shows how)\n") {
			t.Errorf("%q: %+v", args, got)
		}
	}
	if got := program.Run(t, "--help"); got.Code != exitOK || got.Stdout != usage {
		t.Errorf("help: %+v", got)
	}
}
