//go:build linux

package verify

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// A container is a process of an image.
type container struct {
	image *image
	url   string
	env   map[string]string
	cmd   *exec.Cmd
	out   bytes.Buffer // to be read when it has ended
}

// start runs the image as `docker run` does without arguments, but on a free port.
func (im *image) start() *container {
	address := freeAddress(im.t)
	_, port, _ := strings.Cut(address, ":")
	c := &container{image: im, url: "http://" + address}
	c.env = map[string]string{"EPHEMERA_LISTEN": ":" + port, "EPHEMERA_URL": c.url}
	c.cmd = im.command(append(im.entry[:len(im.entry):len(im.entry)], im.cmd...), c.env)
	c.cmd.Stdout, c.cmd.Stderr = &c.out, &c.out
	must(im.t, c.cmd.Start())
	im.t.Cleanup(func() {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
	})
	return c
}

// healthy runs the health check once.
func (c *container) healthy() bool { return c.image.command(c.image.health, c.env).Run() == nil }

// stop does what `docker stop` does, and returns what the container has written.
func (c *container) stop() string {
	c.image.t.Helper()
	must(c.image.t, c.cmd.Process.Signal(syscall.SIGTERM))
	if err := c.cmd.Wait(); err != nil {
		c.image.t.Errorf("the container ended with %v: %s", err, &c.out)
	}
	return c.out.String()
}

func (c *container) ask(method, path, token, body string) (status int, reply string) {
	t := c.image.t
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, c.url+path, strings.NewReader(body))
	must(t, err)
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := newClient().Do(r)
	must(t, err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	must(t, err)
	return resp.StatusCode, string(text)
}

// TestDeploy builds what git tracks by the commands of the Dockerfile, and deploys it in each of the ways that there are.
func TestDeploy(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the server, which only the workspace knows")
	}
	im := buildImage(t, filepath.Join(deployDir, "Dockerfile"), "v1.2.3-test")
	bin := im.root + im.entry[0]
	t.Run("container", func(t *testing.T) { containerTest(t, im) })
	t.Run("systemd", func(t *testing.T) { systemdTest(t, bin) })
	t.Run("promtool", func(t *testing.T) { promtoolTest(t, startProgram(t, bin)) })
}

// containerTest runs the image by its settings, as a user without rights in a root that holds nothing else: it becomes healthy,
// wants the token that it made, and comes back with its data.
func containerTest(t *testing.T, im *image) {
	im.t = t
	if im.uid == 0 || im.gid == 0 {
		t.Error("the image runs as root")
	}
	if im.volume != im.env["EPHEMERA_DATA"] || ":"+im.port != im.env["EPHEMERA_LISTEN"] || im.port != "7070" {
		t.Errorf("volume %s, port %s, %v", im.volume, im.port, im.env)
	}
	if !isStatic(t, im.root+im.entry[0]) {
		t.Error("the program loads libraries, which the image does not have")
	}
	if out, err := im.command([]string{im.entry[0], "version"}, nil).CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "ephemera v1.2.3-test,") {
		t.Errorf("%v: %s", err, out)
	}

	im.knows(composeEnvironment(t))

	c := im.start()
	waitFor(t, c.healthy, func() string { return "not healthy" })
	kept := filepath.Join(im.root, im.volume, "token")
	info, err := os.Stat(kept)
	must(t, err)
	text, err := os.ReadFile(kept)
	must(t, err)
	token := strings.TrimSpace(string(text))
	if owner := info.Sys().(*syscall.Stat_t).Uid; info.Mode() != 0o600 || os.Getuid() == 0 && owner != im.uid {
		t.Errorf("the token has mode %v and belongs to %d", info.Mode(), owner)
	}
	if status, _ := c.ask("GET", "/streams", "", ""); status != http.StatusUnauthorized {
		t.Errorf("without the token: %d", status)
	}
	if status, reply := c.ask("POST", "/streams/a", token, `{"data":41}`); status != http.StatusCreated {
		t.Errorf("%d: %s", status, reply)
	}
	out := c.stop()
	if !strings.Contains(out, "token: a new one, kept in ") || !strings.Contains(out, im.volume+"/token") || strings.Contains(out, token) {
		t.Errorf("it should say where the token is, and not the token: %s", out)
	}
	if c.healthy() {
		t.Error("a container that has ended is healthy")
	}

	c = im.start()
	waitFor(t, c.healthy, func() string { return "not healthy again" })
	if status, reply := c.ask("GET", "/streams/a", token, ""); status != http.StatusOK || !strings.Contains(reply, `"data":41`) {
		t.Errorf("after the restart: %d: %s", status, reply)
	}
	c.stop()
}

// knows checks that the program heeds every variable.
func (im *image) knows(env map[string]string) {
	im.t.Helper()
	out, err := im.command([]string{im.entry[0], "config", "show"}, env).CombinedOutput()
	if err != nil {
		im.t.Fatalf("%v: %s", err, out)
	}
	for name := range env {
		if !strings.Contains(string(out), "# "+name+"\n") {
			im.t.Errorf("nothing heeds %s: %s", name, out)
		}
	}
}

func composeEnvironment(t *testing.T) map[string]string {
	t.Helper()
	p, err := compose(filepath.Join(deployDir, "compose.yaml"))
	must(t, err)
	env := map[string]string{}
	for name, value := range p.Services["ephemera"].Environment {
		env[name] = *value
	}
	return env
}

// compose loads a project as Docker Compose does, against the schema of the specification.
func compose(file string) (*types.Project, error) {
	o, err := cli.NewProjectOptions([]string{file})
	if err != nil {
		return nil, err
	}
	return o.LoadProject(context.Background())
}

// TestDeployCompose: the file is one of Compose, agrees with the Dockerfile, and leaves the server time to save.
func TestDeployCompose(t *testing.T) {
	file := filepath.Join(deployDir, "compose.yaml")
	p, err := compose(file)
	must(t, err)
	s := p.Services["ephemera"]
	im := settingsOf(t, filepath.Join(deployDir, "Dockerfile"))
	sameHealthCheck(t, s, im)
	if len(s.Volumes) != 1 || s.Volumes[0].Target != im["VOLUME"] || s.Volumes[0].Type != "volume" {
		t.Errorf("volumes %v", s.Volumes)
	}
	if len(s.Ports) != 1 || s.Ports[0].HostIP != "127.0.0.1" || s.Ports[0].Target != 7070 {
		t.Errorf("ports %v", s.Ports)
	}
	if s.Build.Dockerfile != "deploy/Dockerfile" || !s.ReadOnly || len(s.CapDrop) != 1 {
		t.Errorf("%+v", s)
	}
	var needed time.Duration
	for name, value := range s.Environment {
		if strings.HasSuffix(name, "_TIMEOUT") {
			d, err := time.ParseDuration(*value)
			must(t, err)
			needed += d
		}
	}
	if s.StopGracePeriod == nil || time.Duration(*s.StopGracePeriod) < needed+time.Second || needed != 40*time.Second {
		t.Errorf("%v to stop, and the server takes up to %v", s.StopGracePeriod, needed)
	}
	composeNotices(t, file, [][2]string{{"stop_grace_period: 45s", "stop_grace: 45s"}, {"interval: 10s", "interval: often"}})
}

// settingsOf returns the last instruction of each name in a Dockerfile.
func settingsOf(t *testing.T, dockerfile string) map[string]string {
	t.Helper()
	settings := map[string]string{}
	for _, x := range instructions(t, dockerfile) {
		settings[x.name] = x.rest
	}
	return settings
}

// sameHealthCheck wants a service to be looked at as its image says.
func sameHealthCheck(t *testing.T, s types.ServiceConfig, image map[string]string) {
	t.Helper()
	if got := `CMD ["` + strings.Join(s.HealthCheck.Test[1:], `", "`) + `"]`; s.HealthCheck.Test[0] != "CMD" || got != image["HEALTHCHECK"] {
		t.Errorf("%s: health check %v, in the image %s", s.Name, s.HealthCheck.Test, image["HEALTHCHECK"])
	}
}

// composeNotices wants Compose to refuse a file when one text in it is another.
func composeNotices(t *testing.T, file string, mistakes [][2]string) {
	t.Helper()
	text, err := os.ReadFile(file)
	must(t, err)
	for _, bad := range mistakes {
		wrong := filepath.Join(t.TempDir(), "compose.yaml")
		must(t, os.WriteFile(wrong, bytes.Replace(text, []byte(bad[0]), []byte(bad[1]), 1), 0o600))
		if _, err := compose(wrong); err == nil {
			t.Errorf("%s is not noticed, so this test proves nothing", bad[1])
		}
	}
}
