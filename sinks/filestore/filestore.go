// Package filestore keeps blobs and signals in files. It registers the scheme file:
//
//	file:///var/lib/app        an absolute directory
//	file:./data                a directory relative to the working directory
//	file:///dir?max_file=1MiB  query keys: max_file (size of a log file), read_only (true or false)
//
// A directory holds both: blobs below blobs/, one file each, and the log of signals below signals/, in the format of
// docs/formats/signal-log.md. What is acknowledged has been synced, including the directory entries.
//
// Several handles and several processes of one machine may use a directory at the same time; file locks keep them
// apart, and nobody waits for ever beside others that come again and again. The locks are those of flock(2). On systems
// without it, such as Windows, they hold within one process, and no two processes may use a directory. Blobs need hard
// links. Network file systems are not supported.
//
// A lease (sinks.Leaser) is taken over at once when its holder's handle is closed or its process is gone. A holder that is
// stopped in the middle of a write (SIGSTOP, a disk that does not answer) keeps the lock, and nobody can take over before
// it goes on or ends: there is no other way to be sure that its write does not come later.
package filestore

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"

	"github.com/ephemera-go/ephemera/sinks"
)

const scheme = "file"

func init() { sinks.Register(scheme, Opener{}) }

// Opener opens file URLs; importing this package registers it with the zero Options. Query keys overrule Options.
type Opener struct {
	Options Options
}

// OpenBlobs opens the blobs in the directory that u names.
func (o Opener) OpenBlobs(ctx context.Context, u *url.URL) (sinks.BlobStore, error) {
	dir, options, err := o.parse(u)
	if err != nil {
		return nil, err
	}
	return OpenBlobs(ctx, dir, &options)
}

// OpenSignals opens the log of signals in the directory that u names.
func (o Opener) OpenSignals(ctx context.Context, u *url.URL) (sinks.SignalStore, error) {
	dir, options, err := o.parse(u)
	if err != nil {
		return nil, err
	}
	return OpenSignals(ctx, dir, &options)
}

func (o Opener) parse(u *url.URL) (dir string, options Options, err error) {
	options = o.Options
	dir = u.Path
	if u.Opaque != "" {
		if dir, err = url.PathUnescape(u.Opaque); err != nil {
			return "", options, fmt.Errorf("%w: malformed path", sinks.ErrInvalid)
		}
	}
	if u.Host != "" || u.User != nil || u.Fragment != "" || dir == "" {
		return "", options, fmt.Errorf("%w: only file:///dir and file:./dir are allowed", sinks.ErrInvalid)
	}
	p := sinks.NewParams(u)
	if options.MaxFileBytes == 0 {
		options.MaxFileBytes = DefaultMaxFileBytes
	}
	options.MaxFileBytes = p.Size("max_file", options.MaxFileBytes, minFileBytes, maxFileBytes)
	options.ReadOnly = p.Bool("read_only", options.ReadOnly)
	return filepath.FromSlash(dir), options, p.Err()
}

// OpenBlobs opens the blobs in a directory, which is made if it does not exist.
func OpenBlobs(ctx context.Context, dir string, options *Options) (sinks.BlobStore, error) {
	return open(ctx, dir, "blobs", options, newBlobs, sinks.CheckedBlobs)
}

// OpenSignals opens the log of signals in a directory, which is made if it does not exist. It reads the whole log once
// and checks it.
func OpenSignals(ctx context.Context, dir string, options *Options) (sinks.SignalStore, error) {
	return open(ctx, dir, "signals", options, newSignals, sinks.CheckedSignals)
}

func open[R, S any](ctx context.Context, dir, kind string, options *Options,
	start func(context.Context, fsys, Options) (R, error), check func(string, S) S,
) (S, error) {
	var none S
	fail := func(err error) (S, error) {
		return none, &sinks.Error{Op: "open", Driver: scheme, Object: dir, Err: err}
	}
	complete, err := options.complete()
	if err != nil {
		return fail(err)
	}
	if err := ctx.Err(); err != nil {
		return fail(err)
	}
	files, err := openDir(filepath.Join(dir, kind), complete.ReadOnly)
	if err != nil {
		return fail(err)
	}
	raw, err := start(ctx, files, complete)
	if err != nil {
		_ = files.Close() // nothing was written through it
		return fail(err)
	}
	return check(scheme, any(raw).(S)), nil
}
