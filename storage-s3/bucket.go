package s3store

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/ephemera-go/ephemera/sinks"
)

// A bucket is the part of an S3 bucket that lies below a prefix.
type bucket struct {
	client   minio.Core
	name     string
	prefix   string // of all keys: empty, or with '/' at its end
	attempts int
	readOnly bool
	log      *slog.Logger
	creds    *credentials.Credentials
	idle     func() // closes connections that nobody uses
}

func newBucket(name, prefix string, given *Options) (*bucket, error) {
	o, err := checked(given)
	if err != nil {
		return nil, err
	}
	prefix, err = checkPlace(name, prefix)
	if err != nil {
		return nil, err
	}
	address, secure, _ := parseEndpoint(o.Endpoint) // checked above
	transport, idle, err := o.transport(secure)
	if err != nil {
		return nil, err
	}
	creds := o.credentials()
	client, err := minio.NewCore(address, &minio.Options{
		Creds: creds, Secure: secure, Transport: transport, Region: o.region(),
		BucketLookup: [...]minio.BucketLookupType{minio.BucketLookupAuto, minio.BucketLookupPath, minio.BucketLookupDNS}[o.Addressing],
		// The SDK would take the refusal of its own repetition for one of the request.
		MaxRetries: 1,
	})
	if err != nil {
		return nil, err
	}
	return &bucket{
		client: *client, name: name, prefix: prefix, attempts: o.Attempts, readOnly: o.ReadOnly, log: o.Logger, creds: creds, idle: idle,
	}, nil
}

func (o *Options) transport(secure bool) (http.RoundTripper, func(), error) {
	if o.Transport != nil {
		return o.Transport, func() {}, nil
	}
	own, err := minio.DefaultTransport(secure)
	if err != nil {
		return nil, nil, err
	}
	return own, own.CloseIdleConnections, nil
}

// metadataPatience bounds the search for a role where there is none.
const metadataPatience = 5 * time.Second

func (o *Options) credentials() *credentials.Credentials {
	if o.Credentials != nil {
		return o.Credentials
	}
	chain := []credentials.Provider{&credentials.EnvAWS{}, &credentials.EnvMinio{}, &credentials.FileAWSCredentials{}}
	if os.Getenv("AWS_EC2_METADATA_DISABLED") != "true" {
		chain = append(chain, &credentials.IAM{Client: &http.Client{Timeout: metadataPatience}})
	}
	return credentials.NewChainCredentials(chain)
}

// explain adds to a refusal that there was nothing to sign the requests with.
func (b *bucket) explain(err error) error {
	if !errors.Is(err, sinks.ErrDenied) {
		return err
	}
	if v, errCredentials := b.creds.GetWithContext(b.client.CredContext()); errCredentials == nil && v.SignerType.IsAnonymous() {
		return fmt.Errorf("%w; no credentials were found, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", err)
	}
	return err
}

// key is where something of the store lies.
func (b *bucket) key(name string) string { return b.prefix + name }
