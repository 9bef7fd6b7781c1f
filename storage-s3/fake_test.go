package s3store_test

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// fakeServer is an S3 server in memory with one bucket and what the driver needs. It checks bodies, not signatures.
type fakeServer struct {
	mu       sync.Mutex
	objects  map[string]fakeObject
	ahead    time.Duration // of the clock
	requests map[string]int

	ignoreIfMatch, ignoreIfNoneMatch bool
	descending                       bool // lists in the wrong order
	forgetful                        bool // lists nothing after a bound that lies in a folder below the prefix, as MinIO may
}

type fakeObject struct {
	content []byte
	etag    string
	meta    http.Header
	changed time.Time
}

const fakeBucket = "bucket"

func newFake() *fakeServer {
	return &fakeServer{objects: map[string]fakeObject{}, requests: map[string]int{}}
}

func etag(content []byte) string {
	sum := md5.Sum(content)
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

func (s *fakeServer) now() time.Time { return time.Now().Add(s.ahead) }

// advance lets time pass.
func (s *fakeServer) advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ahead += d
}

// keys returns what is stored.
func (s *fakeServer) keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.objects))
}

// edit changes the content of an object without a trace, or removes it when f returns nil.
func (s *fakeServer) edit(key string, f func([]byte) []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.objects[key]
	if o.content = f(bytes.Clone(o.content)); o.content == nil {
		delete(s.objects, key)
		return
	}
	s.objects[key] = o
}

// counted returns the requests since the last call, by method; LIST is one of its own.
func (s *fakeServer) counted() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.requests
	s.requests = map[string]int{}
	return was
}

func (s *fakeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
	sum := sha256.Sum256(body)
	switch {
	case bucket != fakeBucket:
		fail(w, http.StatusNotFound, "NoSuchBucket")
	case err != nil:
		fail(w, http.StatusBadRequest, "IncompleteBody")
	case r.Method == http.MethodPut && r.Header.Get("X-Amz-Checksum-Crc32c") != crc32c(body):
		fail(w, http.StatusBadRequest, "BadDigest")
	case len(body) > 0 && r.Header.Get("X-Amz-Content-Sha256") != hex.EncodeToString(sum[:]):
		fail(w, http.StatusBadRequest, "XAmzContentSHA256Mismatch")
	case r.Method == http.MethodGet && key == "":
		s.requests["LIST"]++
		s.list(w, r)
	case r.Method == http.MethodPost && r.URL.Query().Has("delete"):
		s.requests["POST"]++
		s.deleteMany(w, body)
	default:
		s.requests[r.Method]++
		s.serveObject(w, r, key, body)
	}
}

func (s *fakeServer) serveObject(w http.ResponseWriter, r *http.Request, key string, body []byte) {
	o, exists := s.objects[key]
	switch r.Method {
	case http.MethodPut:
		s.put(w, r, key, body)
	case http.MethodDelete:
		delete(s.objects, key)
		w.WriteHeader(http.StatusNoContent)
	case http.MethodGet, http.MethodHead:
		if !exists {
			fail(w, http.StatusNotFound, "NoSuchKey")
			return
		}
		maps.Copy(w.Header(), o.meta)
		w.Header().Set("ETag", o.etag)
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, "", o.changed, bytes.NewReader(o.content))
	default:
		fail(w, http.StatusNotImplemented, "NotImplemented")
	}
}

func (s *fakeServer) put(w http.ResponseWriter, r *http.Request, key string, body []byte) {
	o, exists := s.objects[key]
	match := r.Header.Get("If-Match")
	switch {
	case r.Header.Get("If-None-Match") == "*" && exists && !s.ignoreIfNoneMatch:
		fail(w, http.StatusPreconditionFailed, "PreconditionFailed")
		return
	case match != "" && !exists:
		fail(w, http.StatusNotFound, "NoSuchKey")
		return
	case match != "" && match != o.etag && !s.ignoreIfMatch:
		fail(w, http.StatusPreconditionFailed, "PreconditionFailed")
		return
	}
	o = fakeObject{content: body, etag: etag(body), meta: http.Header{}, changed: s.now()}
	for name, values := range r.Header {
		if strings.HasPrefix(name, "X-Amz-Meta-") {
			o.meta[name] = values
		}
	}
	s.objects[key] = o
	w.Header().Set("ETag", o.etag)
}

// crc32c is a checksum as the header has it.
func crc32c(body []byte) string {
	sum := crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli))
	return base64.StdEncoding.EncodeToString([]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
}

func fail(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>secret text of the server</Message></Error>", code)
}

type listing struct {
	XMLName               xml.Name `xml:"ListBucketResult"`
	IsTruncated           bool
	NextContinuationToken string `xml:",omitempty"`
	Contents              []listed
}

type listed struct {
	Key  string
	Size int
	ETag string
}

func (s *fakeServer) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	after := max(q.Get("start-after"), q.Get("continuation-token"))
	most, err := strconv.Atoi(q.Get("max-keys"))
	if err != nil {
		most = 1000
	}
	keys := slices.Sorted(maps.Keys(s.objects))
	if s.descending {
		slices.Reverse(keys)
	}
	var l listing
	if s.forgetful && strings.Contains(strings.TrimPrefix(q.Get("start-after"), q.Get("prefix")), "/") {
		keys = nil
	}
	for _, key := range keys {
		if key <= after || !strings.HasPrefix(key, q.Get("prefix")) {
			continue
		}
		if len(l.Contents) == most {
			l.IsTruncated, l.NextContinuationToken = true, l.Contents[most-1].Key
			break
		}
		o := s.objects[key]
		l.Contents = append(l.Contents, listed{key, len(o.content), o.etag})
	}
	w.Header().Set("Content-Type", "application/xml")
	b, err := xml.Marshal(l)
	if err != nil {
		panic(err)
	}
	_, _ = w.Write(b)
}

func (s *fakeServer) deleteMany(w http.ResponseWriter, body []byte) {
	var request struct {
		Object []struct{ Key string }
	}
	if err := xml.Unmarshal(body, &request); err != nil {
		fail(w, http.StatusBadRequest, "MalformedXML")
		return
	}
	for _, o := range request.Object {
		delete(s.objects, o.Key)
	}
	_, _ = io.WriteString(w, "<DeleteResult></DeleteResult>")
}
