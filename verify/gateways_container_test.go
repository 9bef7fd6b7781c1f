//go:build linux

package verify

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
)

const gatewaysDir = "../examples/gateways"

// TestGatewaysCompose: the file is one of Compose, and agrees with the Dockerfiles and with nginx.conf.
func TestGatewaysCompose(t *testing.T) {
	file := filepath.Join(gatewaysDir, "compose.yaml")
	p, err := compose(file)
	must(t, err)
	root, err := filepath.Abs("..")
	must(t, err)
	for name, dockerfile := range map[string]string{
		"ephemera": "deploy/Dockerfile", "gateway1": "examples/gateways/Dockerfile", "gateway2": "examples/gateways/Dockerfile", "gateway3": "examples/gateways/Dockerfile",
	} {
		s := p.Services[name]
		if s.Build == nil || s.Build.Context != root || s.Build.Dockerfile != dockerfile {
			t.Fatalf("%s is built from %+v", name, s.Build)
		}
		sameHealthCheck(t, s, settingsOf(t, filepath.Join(root, dockerfile)))
		if len(s.Ports) > 0 {
			t.Errorf("%s can be reached from outside, and asks nobody for a token", name)
		}
	}
	if len(p.Services) != 5 {
		t.Errorf("%d services", len(p.Services))
	}
	gatewaysBehindNginx(t, p)
	composeNotices(t, file, [][2]string{{"depends_on:", "depends:"}, {"interval: 5s", "interval: often"}, {"condition: service_healthy", "condition: soon"}})
}

// gatewaysBehindNginx: nginx waits for the gateways that its configuration names, and these for the server.
func gatewaysBehindNginx(t *testing.T, p *types.Project) {
	t.Helper()
	nginx := p.Services["nginx"]
	if len(nginx.Volumes) != 1 || nginx.Volumes[0].Target != "/etc/nginx/nginx.conf" {
		t.Fatalf("volumes of nginx: %v", nginx.Volumes)
	}
	conf, err := os.ReadFile(nginx.Volumes[0].Source)
	must(t, err)
	if len(nginx.Ports) != 1 || nginx.Ports[0].HostIP != "127.0.0.1" || nginx.Ports[0].Target != 80 || !strings.Contains(string(conf), "listen 80;") {
		t.Errorf("ports of nginx: %v", nginx.Ports)
	}
	named := regexp.MustCompile(`(?m)^\s*server (\S+):8080 `).FindAllStringSubmatch(string(conf), -1)
	var ids []string
	for _, m := range named {
		s, ok := p.Services[m[1]]
		if !ok || s.DependsOn["ephemera"].Condition != types.ServiceConditionHealthy ||
			nginx.DependsOn[m[1]].Condition != types.ServiceConditionHealthy || *s.Environment["EPHEMERA_URL"] != "http://ephemera:7070" {
			t.Errorf("gateway %s: %+v", m[1], s)
			continue
		}
		ids = append(ids, *s.Environment["GATEWAY_ID"])
	}
	slices.Sort(ids)
	if !slices.Equal(ids, []string{"g1", "g2", "g3"}) {
		t.Errorf("gateways %v", ids)
	}
}

// TestGatewaysImage builds what git tracks by the commands of the Dockerfile, and runs it with no rights and nothing around it.
func TestGatewaysImage(t *testing.T) {
	if testing.Short() {
		t.Skip("builds an image")
	}
	im := buildImage(t, filepath.Join(gatewaysDir, "Dockerfile"), "")
	if im.uid == 0 || im.gid == 0 || im.port != "8080" || !isStatic(t, im.root+im.entry[0]) {
		t.Errorf("user %d:%d, port %s", im.uid, im.gid, im.port)
	}
	s, _ := clientServer(t, nil)
	address := freeAddress(t)
	c := im.command(slices.Concat(im.entry, []string{"--listen", address}), map[string]string{"EPHEMERA_URL": s.URL, "GATEWAY_ID": "g1"})
	must(t, c.Start())
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	check := slices.Concat(im.health, []string{"--listen", address})
	waitFor(t, func() bool { return im.command(check, nil).Run() == nil }, func() string { return "not healthy" })
	r, err := http.Post("http://"+address+"/orders", "application/json", nil) //nolint:noctx // a test that hangs is ended by its limit
	must(t, err)
	_ = r.Body.Close()
	if r.StatusCode != http.StatusCreated {
		t.Error(r.Status)
	}
}
