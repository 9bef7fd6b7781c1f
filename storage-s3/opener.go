package s3store

import (
	"context"
	"net/url"

	"github.com/ephemera-go/ephemera/sinks"
)

const scheme = "s3"

func init() { sinks.Register(scheme, Opener{}) }

// Opener opens s3 URLs; importing this package registers it. Register one with other Options on a sinks.Mux of one's
// own.
type Opener struct {
	Options Options // for what a URL does not say
}

// OpenBlobs opens the blobs at the bucket and prefix that u names.
func (o Opener) OpenBlobs(ctx context.Context, u *url.URL) (sinks.BlobStore, error) {
	bucket, prefix, options, err := parse(u, o.Options)
	if err != nil {
		return nil, err
	}
	return OpenBlobs(ctx, bucket, prefix, &options)
}

// OpenSignals opens the signals at the bucket and prefix that u names.
func (o Opener) OpenSignals(ctx context.Context, u *url.URL) (sinks.SignalStore, error) {
	bucket, prefix, options, err := parse(u, o.Options)
	if err != nil {
		return nil, err
	}
	return OpenSignals(ctx, bucket, prefix, &options)
}

// OpenBlobs opens the blobs below a prefix, "" for the whole bucket, which must exist. nil means the default Options.
func OpenBlobs(ctx context.Context, bucket, prefix string, o *Options) (sinks.BlobStore, error) {
	s, err := openBlobs(ctx, bucket, prefix, o)
	if err != nil {
		return nil, openError(bucket, prefix, err)
	}
	return sinks.CheckedBlobs(scheme, s), nil
}

// OpenSignals opens the log of signals below a prefix, "" for the whole bucket, which must exist. nil means the default
// Options.
func OpenSignals(ctx context.Context, bucket, prefix string, o *Options) (sinks.SignalStore, error) {
	s, err := openSignals(ctx, bucket, prefix, o)
	if err != nil {
		return nil, openError(bucket, prefix, err)
	}
	return sinks.CheckedSignals(scheme, s), nil
}

func openError(bucket, prefix string, err error) error {
	place := (&url.URL{Scheme: scheme, Host: bucket, Path: "/" + prefix}).String()
	return &sinks.Error{Op: "open", Driver: scheme, Object: sinks.Redact(place), Err: err}
}
