package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestRestart(t *testing.T) {
	dir := t.TempDir()
	r := serve(t, dir)
	orders(r)
	r.want(http.StatusCreated, nil, "POST", "/metrics", `{"label":"a","value":7}`)
	r.want(http.StatusCreated, nil, "POST", "/signals", `{"name":"order.late","key":"17"}`)
	if code := r.stop(); code != 0 {
		t.Fatalf("exit code %d: %s", code, r.err)
	}
	if text := r.out.String(); !strings.Contains(text, "everything is saved") {
		t.Errorf("no word about saving: %s", text)
	}
	r = serve(t, dir)
	var all []event
	var sum float64
	var signals []struct{ Name string }
	r.want(200, &all, "GET", "/streams/orders/eu", "")
	r.want(200, &sum, "GET", "/metrics/sum?label=a", "")
	r.want(200, &signals, "GET", "/signals?pattern=order.*", "")
	if len(all) != 3 || sum != 7 || len(signals) != 1 || signals[0].Name != "order.late" {
		t.Errorf("after the restart: %d events, a sum of %v, signals %v", len(all), sum, signals)
	}
}

func TestSecondSignalHurries(t *testing.T) {
	dir := t.TempDir()
	r := serve(t, dir, "--max-in-flight", "1", "--drain-timeout", "1h", "--body-timeout", "1h")
	r.want(http.StatusCreated, nil, "POST", "/streams/a", `{"data":1}`)
	r.inFlight()
	r.signals <- syscall.SIGTERM
	r.signals <- syscall.SIGTERM
	if code := r.end(); code != 6 || !strings.Contains(r.err.String(), "cut off") {
		t.Fatalf("exit code %d: %s", code, r.err)
	}
	r = serve(t, dir)
	if got := r.want(200, nil, "GET", "/streams/a", ""); !strings.Contains(got.body, `"data":1`) {
		t.Errorf("what was stored is gone: %s", got.body)
	}
}

func TestSecondProcessIsToldWhoHoldsTheDirectory(t *testing.T) {
	dir := t.TempDir()
	serve(t, dir)
	code, _, text := once(t, "serve", "--listen", "127.0.0.1:0", "--data", dir)
	if code != 4 || !strings.Contains(text, "in use by another process") || !strings.Contains(text, "process ") {
		t.Errorf("exit code %d: %s", code, text)
	}
}

// certificate writes one for 127.0.0.1, and returns its files and a client that trusts it.
func certificate(t *testing.T) (certFile, keyFile string, client *http.Client) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	certFile, keyFile = write(t, "cert.pem", cert), write(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs})))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(cert))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return certFile, keyFile, &http.Client{Transport: transport}
}

func TestTLSWithHTTP2(t *testing.T) {
	cert, key, client := certificate(t)
	r := serve(t, t.TempDir(), "--tls-cert", cert, "--tls-key", key)
	req, err := http.NewRequestWithContext(t.Context(), "GET", r.url+"/health", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.ProtoMajor != 2 || resp.StatusCode != 200 {
		t.Errorf("%s %s", resp.Proto, resp.Status)
	}
}

func TestPprofHasAListenerOfItsOwn(t *testing.T) {
	r := serve(t, t.TempDir())
	r.want(http.StatusNotFound, nil, "GET", "/debug/pprof/", "")
	code, _, text := once(t, "serve", "--listen", "127.0.0.1:0", "--data", t.TempDir(), "--pprof-listen", "0.0.0.0:0")
	if code != 2 || !strings.Contains(text, "--pprof-listen") {
		t.Errorf("exit code %d: %s", code, text)
	}
}

func TestBadInput(t *testing.T) {
	busy := serve(t, t.TempDir())
	file := write(t, "file", "")
	foreign := filepath.Dir(write(t, "thesis.tex", "x"))
	cert, key, _ := certificate(t)
	for name, x := range map[string]struct {
		args []string
		code int
		says []string
	}{
		"port in use":           {[]string{"--listen", strings.TrimPrefix(busy.url, "http://")}, 3, []string{"in use", "--listen"}},
		"no port":               {[]string{"--listen", "localhost"}, 2, []string{"host:port"}},
		"data is a file":        {[]string{"--data", file}, 3, []string{file}},
		"data below a file":     {[]string{"--data", filepath.Join(file, "x")}, 3, []string{file}},
		"data of somebody else": {[]string{"--data", foreign}, 3, []string{"thesis.tex", foreign}},
		"no such certificate":   {[]string{"--tls-cert", "/no/cert.pem", "--tls-key", key}, 3, []string{"/no/cert.pem"}},
		"key is no key":         {[]string{"--tls-cert", cert, "--tls-key", file}, 3, []string{file}},
		"certificate alone":     {[]string{"--tls-cert", cert}, 2, []string{"--tls-key"}},
		"no such token file":    {[]string{"--token-file", "/no/token"}, 2, []string{"/no/token"}},
		"short token":           {[]string{"--token-file", write(t, "token", "short")}, 2, []string{"5 bytes"}},
		"bad scheme":            {[]string{"--snapshots", "gopher://x"}, 2, []string{"gopher"}},
		"unknown flag":          {[]string{"--lisen", "x"}, 2, []string{"--lisen"}},
		"bad value":             {[]string{"--max-body", "much"}, 2, []string{"max-body"}},
		"bad choice":            {[]string{"--restore", "oldest"}, 2, []string{"--restore"}},
		"limits of nothing": {
			[]string{"--max-in-flight=0", "--max-body=0", "--drain-timeout=0", "--metric-events=0", "--max-streams=-1"},
			2,
			[]string{"MaxInFlight", "MaxBody", "DrainTimeout", "MetricEvents", "MaxStreams"},
		},
		"nothing is kept": {
			[]string{"--signal-capacity=0", "--signal-age=0", "--snapshot-keep=0", "--snapshot-interval=-1s", "--snapshot-events=-1"},
			2,
			[]string{"SignalCount", "SignalAge", "Keep", "SnapshotInterval", "SnapshotEvents"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(t.TempDir(), "d")}, x.args...)
			code, _, text := once(t, args...)
			if code != x.code {
				t.Errorf("exit code %d, want %d: %s", code, x.code, text)
			}
			for _, s := range x.says {
				if !strings.Contains(text, s) {
					t.Errorf("no %q in: %s", s, text)
				}
			}
		})
	}
}

func TestSecretsOfURLsStayOutOfMessages(t *testing.T) {
	const secret = "hunter2hunter2"
	code, out, text := once(t, "serve", "--listen", "127.0.0.1:0", "--data", t.TempDir(),
		"--snapshots", "postgres://app:"+secret+"@127.0.0.1:1/x?ephemera_retry_timeout=100ms&connect_timeout=1")
	if code == 0 || strings.Contains(out+text, secret) {
		t.Errorf("exit code %d: %s%s", code, out, text)
	}
	_, out, text = once(t, "config", "show", "--signals", "postgres://app:"+secret+"@127.0.0.1:1/x")
	if strings.Contains(out+text, secret) || !strings.Contains(out, "postgres://") {
		t.Errorf("config show: %s%s", out, text)
	}
}

func TestDamagedSnapshotAtStart(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		r := serve(t, dir)
		for range 4 {
			r.want(http.StatusCreated, nil, "POST", "/streams/orders/eu", `{"data":{"valor":1}}`)
		}
		if code := r.stop(); code != 0 {
			t.Fatal(code)
		}
	}
	found, err := filepath.Glob(filepath.Join(dir, "snapshots", "blobs", "streams+", "manifests+", "*"))
	if err != nil || len(found) < 2 {
		t.Fatalf("%v, %v", found, err)
	}
	newest := found[len(found)-1]
	if err := os.Truncate(newest, 20); err != nil {
		t.Fatal(err)
	}
	code, _, text := once(t, "serve", "--listen", "127.0.0.1:0", "--data", dir)
	if code != 5 || !strings.Contains(text, filepath.Base(newest)) || !strings.Contains(text, "--restore=older") ||
		!strings.Contains(text, "--restore=empty") {
		t.Errorf("exit code %d: %s", code, text)
	}
	r := serve(t, dir, "--restore", "older")
	var all []event
	if r.want(200, &all, "GET", "/streams/orders/eu", ""); len(all) != 4 {
		t.Errorf("%d events, want the 4 of the first run", len(all))
	}
	if text := r.out.String(); !strings.Contains(text, "skipped") || !strings.Contains(text, "lost") {
		t.Errorf("it should say what was skipped and what may be lost: %s", text)
	}
	r.stop()
	r = serve(t, dir, "--restore", "empty")
	if r.want(200, &all, "GET", "/streams/orders/eu", ""); len(all) != 0 {
		t.Errorf("%d events, want none", len(all))
	}
}
