package streams

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// get answers what the parameters ask for; those of another question are refused.
func (h *Handler) get(w http.ResponseWriter, r *http.Request, stream string) {
	q, err := query(r, "from", "limit", "backward", "aggregate", "by", "field", "info")
	if err != nil {
		h.failed(w, r, stream, err)
		return
	}
	aggregate, err1 := boolean(q, "aggregate")
	info, err2 := boolean(q, "info")
	if err := errors.Join(err1, err2); err != nil {
		h.failed(w, r, stream, err)
		return
	}
	answer, known := h.read, []string{"aggregate", "info", "from", "limit", "backward"}
	switch {
	case info:
		answer, known = h.info, []string{"aggregate", "info"}
	case aggregate:
		answer, known = h.aggregate, []string{"aggregate", "info", "field", "by"}
	case wants(r, typeSSE):
		answer, known = h.tail, []string{"aggregate", "info", "from"}
	}
	if _, err := query(r, known...); err != nil {
		h.failed(w, r, stream, err)
		return
	}
	answer(w, r, stream, q)
}

func (h *Handler) info(w http.ResponseWriter, r *http.Request, stream string, _ url.Values) {
	i, err := h.log.Info(r.Context(), stream)
	if err != nil {
		h.failed(w, r, stream, err)
		return
	}
	setVersion(w, i.Version, i.Epoch.String())
	reply(w, http.StatusOK, toWireInfo(i))
}

func (h *Handler) read(w http.ResponseWriter, r *http.Request, stream string, q url.Values) {
	from, err1 := number(q, "from", 0, 1<<64-1)
	limit, err2 := number(q, "limit", 1, MaxPage)
	backward, err3 := boolean(q, "backward")
	if err := errors.Join(err1, err2, err3); err != nil {
		h.failed(w, r, stream, err)
		return
	}
	page, err := h.log.Read(r.Context(), Read{Stream: stream, From: from, Limit: int(limit), Backward: backward})
	if err != nil {
		h.failed(w, r, stream, err)
		return
	}
	setVersion(w, page.Version, page.Epoch.String())
	w.Header().Set(headerOldest, strconv.FormatUint(page.Oldest, 10))
	if page.More {
		w.Header().Set(headerMore, "true")
	}
	if g := page.Gap; g != nil {
		w.Header().Set(headerGap, fmt.Sprintf("%d-%d; cause=%s", g.From, g.To, g.Cause))
	}
	h.sendEvents(w, page.Events, wants(r, typeNDJSON))
}

// sendEvents sends events in pieces, so that a long page is never in memory as a whole.
func (h *Handler) sendEvents(w http.ResponseWriter, events []Event, lines bool) {
	const piece = 32 << 10
	c := http.NewResponseController(w)
	var b []byte
	send := func() bool {
		limited := c.SetWriteDeadline(time.Now().Add(h.o.Timeout)) == nil
		_, err := w.Write(b)
		b = b[:0]
		if limited { // the next request on this connection has another handler, perhaps
			err = errors.Join(err, c.Flush(), c.SetWriteDeadline(time.Time{}))
		}
		return err == nil
	}
	kind, begin, between, end := typeJSON, "[", ",", "]\n"
	if lines {
		kind, begin, between, end = typeNDJSON, "", "\n", "\n"
	}
	if lines && len(events) == 0 {
		end = ""
	}
	w.Header().Set("Content-Type", kind)
	b = append(b, begin...)
	for i := range events {
		if i > 0 {
			b = append(b, between...)
		}
		b = appendEvent(b, &events[i])
		if len(b) >= piece && !send() {
			return // the client has gone, or does not read
		}
	}
	b = append(b, end...)
	if len(b) < piece {
		_, _ = w.Write(b) // net/http gives a short reply its length
		return
	}
	send()
}

func (h *Handler) aggregate(w http.ResponseWriter, r *http.Request, stream string, q url.Values) {
	a := Aggregate{Stream: stream, Field: "valor", By: "gatewayId"}
	if q.Has("field") {
		a.Field = q.Get("field")
	}
	if q.Has("by") {
		a.By = q.Get("by")
	}
	begin := time.Now()
	s, err := h.log.Aggregate(r.Context(), a)
	if err != nil {
		h.failed(w, r, stream, err)
		return
	}
	out := toWireSummary(&s, a)
	out.DurationMs = float64(time.Since(begin).Microseconds()) / 1000
	setVersion(w, s.Version, s.Epoch.String())
	reply(w, http.StatusOK, out)
}

func (h *Handler) limits(w http.ResponseWriter, r *http.Request, stream string) {
	q, err := query(r, "limits")
	if err == nil && q.Get("limits") != "true" {
		err = fieldError("limits", "PUT is for ?limits=true")
	}
	var body []byte
	if err == nil {
		body, err = h.body(w, r)
	}
	var in wireLimits
	if err == nil {
		err = strict(body, &in)
	}
	var m Limits
	if err == nil {
		m, err = in.limits()
	}
	if err == nil {
		err = h.log.SetLimits(r.Context(), stream, m)
	}
	if err != nil {
		h.failed(w, r, stream, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (h *Handler) remove(w http.ResponseWriter, r *http.Request, stream string) {
	_, err := query(r)
	if err == nil {
		err = h.log.Delete(r.Context(), stream)
	}
	if err != nil {
		h.failed(w, r, stream, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (h *Handler) list(w http.ResponseWriter, r *http.Request, _ string) {
	q, err := query(r, "pattern", "after", "limit")
	limit := uint64(DefaultPage)
	if err == nil && q.Has("limit") {
		limit, err = number(q, "limit", 1, MaxPage)
	}
	var found []Info
	if err == nil {
		found, err = h.log.List(r.Context(), q.Get("pattern"), q.Get("after"), int(limit)+1)
	}
	if err != nil {
		h.failed(w, r, "", err)
		return
	}
	if len(found) > int(limit) {
		w.Header().Set(headerMore, "true")
		found = found[:limit]
	}
	out := make([]wireInfo, len(found))
	for i := range found {
		out[i] = toWireInfo(found[i])
	}
	reply(w, http.StatusOK, out)
}

// reply sends a value that can be written as JSON.
func reply(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // every type of wire.go can
	}
	send(w, status, b)
}

// send sends a JSON text.
func send(w http.ResponseWriter, status int, text []byte) {
	w.Header().Set("Content-Type", typeJSON)
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // the client has gone: nobody to tell
}
