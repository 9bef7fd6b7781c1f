package streams_test

import (
	"strings"
	"testing"

	"github.com/ephemera-go/ephemera/streams"
)

const (
	structured = "Content-Type: application/cloudevents+json; charset=utf-8"
	cloudBatch = "Content-Type: application/cloudevents-batch+json"
)

func TestHTTPCloudEvents(t *testing.T) {
	s := serve(t, openLocal(t, streams.Options{}), streams.HandlerOptions{})
	cloud := func(body string, head ...string) answer {
		t.Helper()
		return s.ask(body, append([]string{"POST /streams/a"}, head...)...)
	}
	cloud(`{"specversion":"1.0","id":"1","source":"/s","type":"t","time":"2026-01-02T03:04:05Z","data":{"x":1},"meta":"m","ext":true}`, structured).wantResult(t, 201, 1, 1)
	cloud(`[{"specversion":"1.0","id":"2","source":"/s","type":"t","data_base64":"AAE="},{"specversion":"1.0","id":"1","source":"/other","type":"t"}]`, cloudBatch).wantResult(t, 201, 2, 3)
	binary := []string{"Content-Type: application/json", "Ce-Specversion: 1.0", "Ce-Id: 3", "Ce-Source: /s", "Ce-Type: t", "Ce-Note: a%20%C3%A4%22 100%"}
	cloud(`{"x": 3}`, binary...).wantResult(t, 201, 4, 4)
	cloud(`{"specversion":"1.0","id":"3","source":"/s","type":"t","note":"a%20%C3%A4%22 100%","datacontenttype":"application/json","data":{"x":3}}`, structured).wantResult(t, 200, 4, 4)
	cloud(``, "Ce-Specversion: 1.0", "Ce-Id: 4", "Ce-Source: /s", "Ce-Type: t", `Ce-Note: "a \"quoted\" %C3%A4"`).wantResult(t, 201, 5, 5)

	a := s.ask("", "GET /streams/a")
	for _, want := range []string{
		`{"id":"/s 1","type":"t","stream":"a","version":1,"time":"2026-01-02T03:04:05Z","data":{"x":1},"meta":{"ext":true,"id":"1","meta":"m","source":"/s","specversion":"1.0"}}`,
		`"data":null,"meta":{"data_base64":"AAE=","id":"2","source":"/s","specversion":"1.0"}}`, `{"id":"/other 1","type":"t",`,
		`"data":{"x":3},"meta":{"datacontenttype":"application/json","id":"3","note":"a%20%C3%A4%22 100%","source":"/s","specversion":"1.0"}}`,
		`"data":null,"meta":{"id":"4","note":"a \"quoted\" ä","source":"/s","specversion":"1.0"}}`,
	} {
		if !strings.Contains(a.body, want) {
			t.Errorf("%s\nis without\n%s", a.body, want)
		}
	}
	for field, body := range map[string]string{
		"id": `{"specversion":"1.0","source":"/s","type":"t"}`, "source": `{"specversion":"1.0","id":"9","source":"a b","type":"t"}`,
		"type": `{"specversion":"1.0","id":"9","source":"/s","type":7}`, "specversion": `{"specversion":"0.3","id":"9","source":"/s","type":"t"}`,
		"time": `{"specversion":"1.0","id":"9","source":"/s","type":"t","time":"now"}`, "": `[]`, "data": `{"specversion":"1.0","id":"9","source":"/s","type":"t","data":}`,
	} {
		cloud(body, structured).wantProblem(t, 400, problem{Field: field, Code: "invalid"})
	}
	cloud(`{"specversion":"1.0","id":"9","source":"/s","type":"t"}`, cloudBatch).wantProblem(t, 400, problem{Line: 1})
	cloud("[{\"specversion\":\"1.0\",\"id\":\"9\",\"source\":\"/s\",\"type\":\"t\"},\n{\"specversion\":\"1.0\"}]", cloudBatch).wantProblem(t, 400, problem{Line: 2, Index: ptr(1), Field: "id"})
	cloud("{\n\"x\":tru}", binary...).wantProblem(t, 400, problem{Line: 2, Index: ptr(0), Field: "data.x"})
	cloud(`1`, append(binary[1:], "Content-Type: text/plain")...).wantProblem(t, 415, problem{})
	cloud(`1`, append(binary[:4], "Ce-Id: 5")...).wantProblem(t, 400, problem{Field: "id"})
	cloud(`1`, append(binary[:4:4], "Ce-Type: \xff")...).wantProblem(t, 400, problem{Field: "type"})
	s.wantVersion("5")
}
