//go:build linux

package verify

import (
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
)

// promtoolTest: Prometheus's own tool reads the figures and has nothing to say against them.
func promtoolTest(t *testing.T, s *serverProcess) {
	promtool := program(t, "promtool")
	s.post("/streams/a", `[{"data":1},{"data":2}]`)
	s.post("/signals", `{"name":"a"}`)
	s.post("/metrics", `{"label":"a","value":1}`)
	s.post("/admin/snapshot", "")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/metrics", nil)
	must(t, err)
	r.Header.Set("Authorization", "Bearer "+dashboardToken)
	resp, err := s.client.Do(r)
	must(t, err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	must(t, err)
	figures := string(text)
	check := func(figures string) (string, error) {
		c := exec.CommandContext(t.Context(), promtool, "check", "metrics")
		c.Stdin = strings.NewReader(figures)
		out, err := c.CombinedOutput()
		return string(out), err
	}
	if out, err := check(figures); err != nil || out != "" {
		t.Errorf("%v: %s", err, out)
	}
	if !strings.Contains(figures, "\nephemera_events_appended_total{store=\"streams\"} 2\n") {
		t.Errorf("no figures: %.300s", figures)
	}
	if out, err := check(strings.Replace(figures, "# HELP ephemera_events_visible", "# ephemera_events_visible", 1)); err == nil {
		t.Errorf("a missing help is not noticed, so this test proves nothing: %s", out)
	}
}
