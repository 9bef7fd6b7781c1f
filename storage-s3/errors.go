package s3store

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/ephemera-go/ephemera/sinks"
)

// ErrTooLarge means that a blob is larger than one upload may be. It is ErrInvalid too.
var ErrTooLarge = errors.New("larger than one upload may be")

// errLost means that the condition of a write did not hold: somebody else has written.
var errLost = errors.New("somebody else has written there")

// A fate is what a failed request did, and whether it may do better.
type fate int

const (
	refused   fate = iota // it did nothing, and will not when it is repeated
	lost                  // it did nothing because its condition did not hold
	transient             // it did nothing, and may succeed when it is repeated
	unsure                // what it did is unknown; it may be repeated
)

// fates are those of the error codes that their status says too little about.
var fates = map[string]fate{
	"PreconditionFailed": lost,

	"BadDigest":                  transient, // the body changed on its way, and was not stored
	"ConditionalRequestConflict": transient,
	"Conflict":                   transient, // 409 without a code
	"ContentSHA256Mismatch":      transient,
	"IncompleteBody":             transient,
	"OperationAborted":           transient,
	"RequestTimeout":             transient,
	"ServiceUnavailable":         transient,
	"SlowDown":                   transient,
	"SlowDownRead":               transient,
	"SlowDownWrite":              transient,
	"Throttling":                 transient,
	"TooManyRequests":            transient,
	"XAmzContentSHA256Mismatch":  transient,
	"XMinioServerNotInitialized": transient,

	// A server that refuses a request before it has read its body may take the rest of it for another request, and the
	// answer to that may be taken for the answer to the next one.
	"BadRequest": unsure,

	"NotImplemented": refused,
}

// judge returns the fate of a request that failed with err.
func judge(err error) fate {
	var final stop
	var reply minio.ErrorResponse
	switch {
	case errors.As(err, &final):
		return refused
	case !errors.As(err, &reply):
		return judgeTransport(err)
	}
	if f, known := fates[reply.Code]; known {
		return f
	}
	if kinds[reply.Code] != nil {
		return refused
	}
	switch status := reply.StatusCode; {
	case status == 412:
		return lost
	case status == 408 || status == 429:
		return transient
	case status == 501 || status == 505 || status == http.StatusInsufficientStorage:
		return refused
	case status == 0 || status < 300 || status >= 500:
		// A reply that is none, or a failure behind the one who replied.
		return unsure
	}
	return refused
}

func judgeTransport(err error) fate {
	var certificate *tls.CertificateVerificationError
	var dial *net.OpError
	switch {
	case errors.As(err, &certificate), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return refused
	case errors.As(err, &dial) && dial.Op == "dial":
		return transient
	}
	return unsure
}

// kinds are the sentinels of error codes.
var kinds = map[string]error{
	"AccessDenied":          sinks.ErrDenied,
	"AccountProblem":        sinks.ErrDenied,
	"AllAccessDisabled":     sinks.ErrDenied,
	"ExpiredToken":          sinks.ErrDenied,
	"InvalidAccessKeyId":    sinks.ErrDenied,
	"InvalidSecurity":       sinks.ErrDenied,
	"InvalidToken":          sinks.ErrDenied,
	"MethodNotAllowed":      errors.ErrUnsupported,
	"MissingSecurityHeader": sinks.ErrDenied,
	"NoSuchBucket":          sinks.ErrNotFound,
	"NoSuchKey":             sinks.ErrNotFound,
	"NotImplemented":        errors.ErrUnsupported,
	"NotSignedUp":           sinks.ErrDenied,
	"QuotaExceeded":         sinks.ErrFull, // Ceph
	"RequestTimeTooSkewed":  sinks.ErrDenied,
	"SignatureDoesNotMatch": sinks.ErrDenied,
	"XAdminUserNotFound":    sinks.ErrDenied, // versitygw's word for an unknown key

	"XMinioAdminBucketQuotaExceeded": sinks.ErrFull,

	"AuthorizationHeaderMalformed":       sinks.ErrInvalid,
	"IllegalLocationConstraintException": sinks.ErrInvalid,
	"InvalidRegion":                      sinks.ErrInvalid,
	"PermanentRedirect":                  sinks.ErrInvalid,
	"TemporaryRedirect":                  sinks.ErrInvalid,
}

// hints say what to do.
var hints = map[string]string{
	"AuthorizationHeaderMalformed":       "is it the right region?",
	"IllegalLocationConstraintException": "is it the right region?",
	"InvalidRegion":                      "is it the right region?",
	"NoSuchBucket":                       "make the bucket, or correct its name, endpoint or region",
	"PermanentRedirect":                  "is it the right endpoint and region?",
	"RequestTimeTooSkewed":               "set the clock of this machine",
	"TemporaryRedirect":                  "is it the right endpoint and region?",
}

// A replyError shows code and status of an error that the server sent. Its text is not shown, because anything may stand
// there. The whole chain stays reachable with errors.Is and errors.As.
type replyError struct {
	kind  error // may be nil
	reply minio.ErrorResponse
}

func (e *replyError) Error() string {
	code := e.reply.Code
	if !only(code, prefixRune) || len(code) > 64 {
		code = "an error"
	}
	text := fmt.Sprintf("%s (HTTP status %d)", code, e.reply.StatusCode)
	if e.kind != nil {
		text = e.kind.Error() + ": " + text
	}
	hint := hints[e.reply.Code]
	if hint == "" && redirected(e.reply) {
		hint = hints["PermanentRedirect"]
	}
	if hint != "" {
		text += ": " + hint
	}
	return text
}

func (e *replyError) Unwrap() []error {
	if e.kind == nil {
		return []error{e.reply}
	}
	return []error{e.kind, e.reply}
}

// A transportError shows the cause of a failed request without its URL.
type transportError struct{ cause *url.Error }

func (e *transportError) Error() string {
	if strings.HasPrefix(e.cause.Err.Error(), "Connection closed by foreign host") {
		return "the server closed the connection" // the SDK's words repeat the URL
	}
	return e.cause.Err.Error()
}

func (e *transportError) Unwrap() error { return e.cause }

// translate gives the errors of the SDK sentinels and a text that is safe to show.
func translate(err error) error {
	var reply minio.ErrorResponse
	var transport *url.Error
	var done *replyError
	var doneToo *transportError
	switch {
	case err == nil || errors.As(err, &done) || errors.As(err, &doneToo):
		return err
	case errors.As(err, &reply):
		return &replyError{kind: kindOf(reply), reply: reply}
	case errors.As(err, &transport):
		return &transportError{cause: transport}
	}
	return err
}

func kindOf(reply minio.ErrorResponse) error {
	if kind := kinds[reply.Code]; kind != nil {
		return kind
	}
	switch {
	case reply.StatusCode == 401:
		return sinks.ErrDenied
	case redirected(reply):
		return sinks.ErrInvalid
	case reply.StatusCode == http.StatusInsufficientStorage:
		return sinks.ErrFull
	}
	return nil
}

// noBucket reports whether it is the bucket that does not exist.
func noBucket(err error) bool {
	var reply minio.ErrorResponse
	return errors.As(err, &reply) && reply.Code == minio.NoSuchBucket
}

func redirected(reply minio.ErrorResponse) bool {
	return reply.StatusCode >= 300 && reply.StatusCode < 400
}
