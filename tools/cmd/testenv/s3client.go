package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

const s3Region = "us-east-1"

// s3Client sends single requests, signed with AWS Signature Version 4. Paths need no escaping.
type s3Client struct{ endpoint, access, secret string }

func (c s3Client) do(ctx context.Context, method, path string, body []byte) (status int, answer []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, method, c.endpoint+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Close = true // the server may be another process next time
	c.sign(request, body, time.Now().UTC())
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return 0, nil, err
	}
	answer, err = io.ReadAll(response.Body)
	return response.StatusCode, answer, errors.Join(err, response.Body.Close())
}

func (c s3Client) sign(request *http.Request, body []byte, now time.Time) {
	const signedHeaders = "host;x-amz-content-sha256;x-amz-date"
	stamp := now.Format("20060102T150405Z")
	scope := strings.Join([]string{stamp[:8], s3Region, "s3", "aws4_request"}, "/")
	bodyHash := hexHash(body)
	canonical := strings.Join([]string{
		request.Method, request.URL.Path, "",
		"host:" + request.URL.Host, "x-amz-content-sha256:" + bodyHash, "x-amz-date:" + stamp, "",
		signedHeaders, bodyHash,
	}, "\n")
	key := []byte("AWS4" + c.secret)
	for part := range strings.SplitSeq(scope, "/") {
		key = mac(key, part)
	}
	signature := hex.EncodeToString(mac(key, "AWS4-HMAC-SHA256\n"+stamp+"\n"+scope+"\n"+hexHash([]byte(canonical))))
	request.Header.Set("X-Amz-Date", stamp)
	request.Header.Set("X-Amz-Content-Sha256", bodyHash)
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+c.access+"/"+scope+
		", SignedHeaders="+signedHeaders+", Signature="+signature)
}

func hexHash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
