package s3store

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"

	"github.com/ephemera-go/ephemera/sinks"
)

// Addressing says where requests name the bucket.
type Addressing int

// The values of Addressing.
const (
	Auto Addressing = iota // Host where the server is known to want it, as Amazon S3 does, otherwise Path
	Path                   // endpoint/bucket/key
	Host                   // bucket.endpoint/key
)

// String returns the value of the query key path_style, "" for Auto.
func (a Addressing) String() string {
	switch a {
	case Auto:
		return ""
	case Path:
		return "true"
	case Host:
		return "false"
	default:
		return fmt.Sprintf("Addressing(%d)", int(a))
	}
}

// Options of a store. The zero value is Amazon S3 with what the environment says, and so is nil.
type Options struct {
	// Endpoint is the URL of the server, such as http://127.0.0.1:9000. "" is Amazon S3.
	Endpoint string
	// Region is that of the bucket. "" is that of AWS_REGION or AWS_DEFAULT_REGION; without them Amazon S3 is asked,
	// and any other server is taken to be in us-east-1, which most call themselves.
	Region string
	// Addressing is Auto unless set.
	Addressing Addressing
	// Attempts is how often a request is made before a failure that may pass, such as a busy server, is returned: 1 to
	// 20. 0 means DefaultAttempts.
	Attempts int
	// ReadOnly refuses writes with sinks.ErrReadOnly, and makes and probes nothing.
	ReadOnly bool
	// Credentials are asked for what signs the requests. nil means the first that is there of: AWS_ACCESS_KEY_ID,
	// AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN; MINIO_ROOT_USER and MINIO_ROOT_PASSWORD; the file of
	// AWS_SHARED_CREDENTIALS_FILE or ~/.aws/credentials; the role of the machine, container or pod, unless
	// AWS_EC2_METADATA_DISABLED is true; none, for what everybody may do.
	Credentials *credentials.Credentials
	// Transport sends the requests. nil means one of the store's own. It must not repeat or redirect requests, nor
	// decompress replies.
	Transport http.RoundTripper
	// Logger is told about objects that could not be removed. nil means silence.
	Logger *slog.Logger
}

// DefaultAttempts stands for Attempts of 0.
const DefaultAttempts = 6

const (
	maxAttempts = 20
	// maxPrefix leaves room for the longest name of a blob: keys have at most 1,024 bytes.
	maxPrefix = 256
)

// checked returns the options that a store works with.
func checked(given *Options) (Options, error) {
	var o Options
	if given != nil {
		o = *given
	}
	var problems []error
	reject := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("%w: option "+format, append([]any{sinks.ErrInvalid}, args...)...))
	}
	if _, _, err := parseEndpoint(o.Endpoint); err != nil {
		reject("Endpoint: %w", err)
	}
	if !only(o.Region, regionRune) {
		reject("Region: only letters, digits and '-' may stand there")
	}
	if o.Addressing < Auto || o.Addressing > Host {
		reject("Addressing %v", o.Addressing)
	}
	if o.Attempts == 0 {
		o.Attempts = DefaultAttempts
	}
	if o.Attempts < 1 || o.Attempts > maxAttempts {
		reject("Attempts %d; 1 to %d are allowed", o.Attempts, maxAttempts)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, errors.Join(problems...)
}

// only reports whether text has no other runes than those that are allowed.
func only(text string, allowed func(rune) bool) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return !allowed(r) })
}

func regionRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-'
}

// region returns the region to sign for; "" means that the server is to be asked.
func (o *Options) region() string {
	for _, region := range []string{o.Region, os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION")} {
		if region != "" {
			return region
		}
	}
	if o.Endpoint == "" {
		return ""
	}
	return "us-east-1"
}

// parseEndpoint returns host and port, and whether TLS protects the way there. Its errors do not repeat the endpoint:
// a secret may stand in the wrong place.
func parseEndpoint(endpoint string) (address string, secure bool, err error) {
	if endpoint == "" {
		return "s3.amazonaws.com", true, nil
	}
	u, err := url.Parse(endpoint)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return "", false, errors.New("not of the form https://host or http://host:port")
	case u.User != nil:
		return "", false, errors.New("credentials do not belong there")
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return "", false, errors.New("only scheme, host and port may stand there")
	}
	return u.Host, u.Scheme == "https", nil
}

// parse reads bucket, prefix and options from a URL; o holds the defaults.
func parse(u *url.URL, o Options) (bucket, prefix string, _ Options, err error) {
	p := sinks.NewParams(u)
	o.Endpoint = p.String("endpoint", o.Endpoint)
	o.Region = p.String("region", o.Region)
	switch p.Choice("path_style", o.Addressing.String(), Path.String(), Host.String()) {
	case Path.String():
		o.Addressing = Path
	case Host.String():
		o.Addressing = Host
	}
	if o.Attempts == 0 {
		o.Attempts = DefaultAttempts
	}
	o.Attempts = int(p.Int("attempts", int64(o.Attempts), 1, maxAttempts))
	o.ReadOnly = p.Bool("read_only", o.ReadOnly)
	var place error
	switch {
	case u.User != nil:
		place = fmt.Errorf("%w: credentials do not belong into the URL: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", sinks.ErrInvalid)
	case u.Opaque != "" || u.Fragment != "" || u.Host == "":
		place = fmt.Errorf("%w: only s3://bucket and s3://bucket/prefix are allowed", sinks.ErrInvalid)
	}
	return u.Host, strings.TrimPrefix(u.Path, "/"), o, errors.Join(place, p.Err())
}

// checkPlace checks bucket and prefix, and returns the prefix with a '/' at its end unless it is empty.
func checkPlace(bucket, prefix string) (string, error) {
	if err := s3utils.CheckValidBucketNameStrict(bucket); err != nil {
		return "", fmt.Errorf("%w: bucket: %w", sinks.ErrInvalid, err)
	}
	prefix = strings.TrimSuffix(prefix, "/")
	if prefix == "" {
		return "", nil
	}
	if len(prefix) > maxPrefix {
		return "", fmt.Errorf("%w: a prefix of %d bytes; at most %d", sinks.ErrInvalid, len(prefix), maxPrefix)
	}
	for segment := range strings.SplitSeq(prefix, "/") {
		if segment == "" || segment == "." || segment == ".." || !only(segment, prefixRune) {
			return "", fmt.Errorf("%w: prefix: between '/' there must be letters, digits, '-', '_', '.' and '=', not '.' or '..' alone", sinks.ErrInvalid)
		}
	}
	return prefix + "/", nil
}

func prefixRune(r rune) bool { return regionRune(r) || r == '_' || r == '.' || r == '=' }
