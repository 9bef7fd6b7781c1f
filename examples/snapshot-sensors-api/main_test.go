package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/examples/internal/program"
)

func TestMain(m *testing.M) { program.Main(m, main) }

// service is the program while it runs.
type service struct {
	t        *testing.T
	process  *program.Process
	url      string
	restored int
}

func start(t *testing.T, place string, flags ...string) *service {
	t.Helper()
	p := program.Start(t, append([]string{"--listen", "127.0.0.1:0", "--snapshots", "file://" + filepath.ToSlash(place)}, flags...)...)
	restored, err := strconv.Atoi(p.Wait(t, `^restored (\d+) events from `))
	if err != nil {
		t.Fatal(err)
	}
	return &service{t, p, p.Wait(t, `(?m)^ready: (\S+)$`), restored}
}

// stop ends it by SIGTERM and returns how many events it saved.
func (s *service) stop() int {
	s.t.Helper()
	s.process.Signal(s.t, syscall.SIGTERM)
	return s.saved()
}

// saved waits for the end and returns how many events were saved.
func (s *service) saved() int {
	s.t.Helper()
	if got := s.process.End(s.t); got.Code != exitOK {
		s.t.Fatalf("%+v", got)
	}
	n, err := strconv.Atoi(s.process.Wait(s.t, `(?m)^saved (\d+) events in snapshot \d+$`))
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// An outcome is a reply without its body.
type outcome struct {
	status   int
	location string
}

// do sends a request and reads the JSON of the reply. It may be called from any goroutine.
func (s *service) do(method, path, body string, into any) (o outcome, err error) {
	r, err := http.NewRequestWithContext(context.Background(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		return o, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return o, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err == nil && into != nil {
		if err = json.Unmarshal(text, into); err != nil {
			err = fmt.Errorf("%s %s: %w: %s", method, path, err, text)
		}
	}
	return outcome{resp.StatusCode, resp.Header.Get("Location")}, err
}

// text returns a reply as it is.
func (s *service) text(method, path, body string) string {
	s.t.Helper()
	var text json.RawMessage
	s.ask(method, path, body, &text)
	return string(text) + "\n"
}

func (s *service) ask(method, path, body string, into any) outcome {
	s.t.Helper()
	r, err := s.do(method, path, body, into)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

type accepted struct {
	DeviceID          string
	Partition, Events int
}

func (s *service) send(device string, temperature, humidity float64) (got accepted, err error) {
	body := fmt.Sprintf(`{"deviceId":%q,"temperature":%g,"humidity":%g}`, device, temperature, humidity)
	r, err := s.do("POST", "/sensor", body, &got)
	if err == nil && r.status != http.StatusCreated {
		err = fmt.Errorf("%s: status %d", body, r.status)
	}
	return got, err
}

func (s *service) post(device string, temperature, humidity float64) {
	s.t.Helper()
	if _, err := s.send(device, temperature, humidity); err != nil {
		s.t.Fatal(err)
	}
}

type state struct {
	Temperature, Humidity                figure
	Total, Appended, Restored, Discarded int
}

func (s *service) state() (out state) {
	s.t.Helper()
	if r := s.ask("GET", "/state", "", &out); r.status != http.StatusOK {
		s.t.Fatal(r.status)
	}
	return out
}

func of(count uint64, least, greatest, average float64) figure {
	return figure{count, &least, &greatest, &average}
}

// TestParity72_SensorAPI is the acceptance case: readings are validated and stored, the state is right, and all of it comes back.
func TestParity72_SensorAPI(t *testing.T) {
	place := t.TempDir()
	s := start(t, place)
	if d := cmp.Diff(state{}, s.state()); d != "" || s.restored != 0 {
		t.Errorf("restored %d, %s", s.restored, d)
	}
	var got accepted
	r := s.ask("POST", "/sensor", `{"deviceId":"lab 1/äö","temperature":20,"humidity":40,"timestampUtc":"2026-01-01T12:00:00"}`, &got)
	if r.status != http.StatusCreated || got.Events != 2 || got.DeviceID != "lab 1/äö" {
		t.Errorf("%+v %+v", r, got)
	}
	var device struct {
		accepted
		Newest []struct {
			Metric, TimestampUTC string
			Value                float64
		}
	}
	where := r.location
	if r := s.ask("GET", where, "", &device); r.status != http.StatusOK || device.DeviceID != got.DeviceID ||
		device.Partition != got.Partition || len(device.Newest) != 2 || device.Newest[0].Metric != "temperature" ||
		device.Newest[0].Value != 20 || device.Newest[1].Metric != "humidity" || device.Newest[1].TimestampUTC != "2026-01-01T12:00:00Z" {
		t.Errorf("%s: %d %+v", where, r.status, device)
	}
	for _, body := range []string{
		``, ` `, `{`, `null`, `[]`, `"x"`, `{"deviceId":"a","temperature":1,"humidity":2}x`,
		`{"temperature":1,"humidity":2}`, `{"deviceId":"","temperature":1,"humidity":2}`, `{"deviceId":" ","temperature":1,"humidity":2}`,
		`{"deviceId":"..","temperature":1,"humidity":2}`, `{"deviceId":7,"temperature":1,"humidity":2}`,
		`{"deviceId":"` + strings.Repeat("a", maxDevice+1) + `","temperature":1,"humidity":2}`,
		`{"deviceId":"a","humidity":2}`, `{"deviceId":"a","temperature":1,"humidity":null}`, `{"deviceId":"a","temperature":"1","humidity":2}`,
		`{"deviceId":"a","temperature":NaN,"humidity":2}`, `{"deviceId":"a","temperature":1e999,"humidity":2}`,
		`{"deviceId":"a","temperature":1,"humidity":-1e999}`, `{"deviceId":"a","temperature":1,"humidity":Infinity}`,
		`{"deviceId":"a","temperature":1,"humidity":2,"timestampUtc":"yesterday"}`,
	} {
		var problem struct{ Detail string }
		if r := s.ask("POST", "/sensor", body, &problem); r.status != http.StatusBadRequest || problem.Detail == "" {
			t.Errorf("%s: %d, %q", body, r.status, problem.Detail)
		}
	}
	if r := s.ask("POST", "/sensor", strings.Repeat(" ", maxBody+1), nil); r.status != http.StatusRequestEntityTooLarge {
		t.Errorf("long body: %d", r.status)
	}
	if r := s.ask("GET", "/sensor/nobody", "", nil); r.status != http.StatusNotFound {
		t.Errorf("unknown device: %d", r.status)
	}
	s.post("d2", -10, 60)
	s.post("d3", 35, 20)
	want := state{Temperature: of(3, -10, 35, 15), Humidity: of(3, 20, 60, 40), Total: 6, Appended: 6}
	if d := cmp.Diff(want, s.state()); d != "" {
		t.Error(d)
	}
	for run, events := 0, 6; run < 2; run++ {
		if saved := s.stop(); saved != events {
			t.Errorf("%d events saved, want %d", saved, events)
		}
		s = start(t, place)
		want.Appended, want.Restored = 0, events
		if d := cmp.Diff(want, s.state()); d != "" || s.restored != events {
			t.Errorf("run %d: restored %d, %s", run, s.restored, d)
		}
		s.post("d2", 0, 40)
		events += 2
		want = state{Temperature: of(uint64(events/2), -10, 35, 45/float64(events/2)), Humidity: of(uint64(events/2), 20, 60, 40), Total: events, Appended: 2, Restored: events - 2}
		if d := cmp.Diff(want, s.state()); d != "" {
			t.Errorf("run %d: %s", run, d)
		}
	}
}

// TestDefectD17_DevicesStayTogether: whoever sends, and whenever, all events of a device are in the partition of its name, and
// devices are spread over all partitions.
func TestDefectD17_DevicesStayTogether(t *testing.T) {
	place := t.TempDir()
	s := start(t, place)
	const devices, readings = 40, 6
	send := func(first int) {
		var senders sync.WaitGroup
		for worker := range 4 {
			senders.Go(func() {
				for n := worker; n < devices*readings/2; n += 4 {
					device := fmt.Sprintf("device-%d", n%devices)
					got, err := s.send(device, float64(first+n), float64(n))
					if err != nil || got.Partition != core.PartitionOf(device, partitions) || got.Events != 2 {
						t.Errorf("%+v, %v", got, err)
					}
				}
			})
		}
		senders.Wait()
	}
	send(0)
	s.stop()
	s = start(t, place)
	send(devices * readings / 2)
	used := map[int]bool{}
	for n := range devices {
		var got struct {
			accepted
			Newest []struct {
				Metric string
				Value  float64
			}
		}
		device := fmt.Sprintf("device-%d", n)
		s.ask("GET", "/sensor/"+device, "", &got)
		used[got.Partition] = true
		if len(got.Newest) != 2*readings || got.Partition != core.PartitionOf(device, partitions) {
			t.Errorf("%s: %+v", device, got)
		}
	}
	if len(used) != partitions {
		t.Errorf("devices are in %d of %d partitions", len(used), partitions)
	}
}

// TestEveryReplyIsKept: readings that were acknowledged while the program was being stopped are there when it comes back.
func TestEveryReplyIsKept(t *testing.T) {
	place := t.TempDir()
	s := start(t, place, "--snapshot-interval", "10ms")
	var acknowledged atomic.Int64
	hundred := make(chan struct{})
	var senders sync.WaitGroup
	for range 4 {
		senders.Go(func() {
			for {
				if _, err := s.send("d", 1, 2); err != nil {
					return
				}
				if acknowledged.Add(1) == 100 {
					close(hundred)
				}
			}
		})
	}
	<-hundred
	s.process.Signal(t, syscall.SIGTERM)
	senders.Wait()
	saved := s.saved()
	n := int(acknowledged.Load())
	if saved < 2*n || start(t, place).restored != saved {
		t.Errorf("%d readings acknowledged, %d events saved", n, saved)
	}
}

var sampleLine = regexp.MustCompile(`^# HELP (\w+) \S.*\n# TYPE (\w+) (counter|gauge)\n(\w+) (\d\S*)\n`)

func TestMetrics(t *testing.T) {
	s := start(t, t.TempDir(), "--capacity", "8", "--snapshot-interval", "5ms", "--every", "5ms")
	for range 10 {
		s.post("d1", 1, 2)
	}
	s.process.Wait(t, `(?m)^appended 20, discarded 19, in memory 1; [1-9]\d* snapshots of [1-9]\d* bytes, 0 events at risk, 0 failures$`)
	r, err := http.Get(s.url + "/metrics") //nolint:noctx // a test that hangs is ended by its limit
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for text := string(body); text != ""; {
		m := sampleLine.FindStringSubmatch(text)
		if m == nil || m[1] != m[2] || m[2] != m[4] || strings.HasSuffix(m[1], "_total") != (m[3] == "counter") {
			t.Fatalf("not in the format: %.200q", text)
		}
		if got[m[1]], err = strconv.ParseFloat(m[5], 64); err != nil {
			t.Error(err)
		}
		text = text[len(m[0]):]
	}
	if got["sensors_events_appended_total"] != 20 || got["sensors_events_discarded_total"] != 19 || got["sensors_events"] != 1 ||
		got["sensors_snapshots_total"] < 1 || got["sensors_snapshot_bytes_total"] < 1 || got["sensors_events_at_risk"] != 0 {
		t.Error(got)
	}
}

// A sum that leaves the range of numbers spoils no reply.
func TestHugeValues(t *testing.T) {
	s := start(t, t.TempDir())
	s.post("d1", 1.7e308, -1.7e308)
	s.post("d1", 1.7e308, -1.7e308)
	got := s.state()
	if got.Temperature.Avg != nil || *got.Temperature.Max != 1.7e308 || *got.Humidity.Min != -1.7e308 || got.Total != 4 {
		t.Errorf("%+v", got)
	}
}

func TestWhatCannotBeUsed(t *testing.T) {
	place := t.TempDir()
	s := start(t, place)
	address := strings.TrimPrefix(s.url, "http://")
	for _, tt := range []struct {
		code int
		want string
		args []string
	}{
		{exitListen, "address already in use; choose another address with --listen", []string{"--listen", address}},
		{exitHeld, "snapshot-sensors-api", []string{"--listen", "127.0.0.1:0", "--snapshots", "file://" + filepath.ToSlash(place)}},
		{exitFailed, "no driver for scheme", []string{"--listen", "127.0.0.1:0", "--snapshots", "redis://x"}},
		{exitUsage, "flag provided but not defined: -port", []string{"--port", "1"}},
		{exitUsage, `"now" is no flag`, []string{"now"}},
		{exitUsage, "--capacity: want 8", []string{"--capacity", "7"}},
		{exitUsage, "--snapshot-interval and --every", []string{"--every", "0s"}},
		{exitUsage, "--snapshot-events", []string{"--snapshot-events", "0"}},
	} {
		if got := program.Run(t, tt.args...); got.Code != tt.code || !strings.Contains(got.Stderr, tt.want) || got.Stdout != "" {
			t.Errorf("%q: %+v", tt.args, got)
		}
	}
	if got := program.Run(t, "--help"); got.Code != exitOK || got.Stdout != usage {
		t.Errorf("help: %+v", got)
	}
	s.process.Signal(t, os.Interrupt)
	if got := s.process.End(t); got.Code != exitOK {
		t.Errorf("%+v", got)
	}
}

// TestReadme compares the shape of what README.md shows with what comes out.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	varies := regexp.MustCompile(`[\d.]+m?s\b|\d+|file:\S+`)
	shape := func(text string) string { return varies.ReplaceAllString(text, "0") }
	shown := func(text string) {
		for line := range strings.Lines(text) {
			if want := "\n    " + shape(line); !strings.Contains(shape(string(readme)), want) {
				t.Errorf("README.md does not show %q", line)
			}
		}
	}
	place := t.TempDir()
	for run := range 2 {
		s := start(t, place)
		if run == 0 {
			shown(s.text("POST", "/sensor", `{"deviceId":"d1","temperature":21.5,"humidity":45}`))
		} else {
			shown(s.text("GET", "/state", ""))
		}
		s.process.Signal(t, syscall.SIGTERM)
		shown(s.process.End(t).Stdout)
	}
}
