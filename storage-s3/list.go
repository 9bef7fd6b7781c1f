package s3store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/minio/minio-go/v7"
)

const maxPage = 1000 // keys in one reply

// errOrder means that a listing cannot be continued where it ended.
var errOrder = stop{fmt.Errorf("%w: the server does not list keys in order", errors.ErrUnsupported)}

// list calls f with the keys that begin with prefix and lie after a bound, ascending, until it returns false. page is
// how many are wanted at once. No key must be a folder with its '/' replaced by a '0'.
func (b *bucket) list(ctx context.Context, prefix, after string, page int, f func(key string, size int64) bool) error {
	if !strings.HasPrefix(after, prefix) {
		if after > prefix {
			return nil // all that begin with prefix lie before it
		}
		after = "" // some servers find nothing after a bound that does not begin with prefix
	}
	l := lister{bucket: b, after: after, page: min(page, maxPage), f: f}
	for failures := 0; ; {
		bound := l.after
		err := l.all(ctx, prefix)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if l.after != bound {
			failures = 0
		}
		if failures++; failures >= b.attempts || judge(err) == refused {
			return translate(err)
		}
		if err := pause(ctx, failures); err != nil {
			return err
		}
	}
}

// A lister is a listing under way.
type lister struct {
	*bucket
	after string // the last key that was seen
	page  int
	f     func(key string, size int64) bool
	done  bool // f wants no more
}

// all lists what begins with prefix. After a bound in a folder beside which others lie whose names are longer, MinIO lists
// too little and says that it is all. So what is left of the folder is listed first, then what is left of that above it.
func (l *lister) all(ctx context.Context, prefix string) error {
	for scope := folder(l.after); len(scope) > len(prefix); scope = folder(l.after) {
		if err := l.on(ctx, scope); err != nil || l.done {
			return err
		}
		l.after = strings.TrimSuffix(scope, "/") + "0" // the byte after '/': everything in the folder lies before it
	}
	return l.on(ctx, prefix)
}

// folder returns a key up to its last '/'.
func folder(key string) string { return key[:strings.LastIndexByte(key, '/')+1] }

func (l *lister) on(ctx context.Context, prefix string) error {
	options := minio.ListObjectsOptions{Prefix: prefix, StartAfter: l.after, Recursive: true, MaxKeys: l.page}
	for o := range l.client.ListObjectsIter(ctx, l.name, options) {
		switch {
		case o.Err != nil:
			return o.Err
		case o.Key <= l.after || !strings.HasPrefix(o.Key, prefix):
			return errOrder
		}
		l.after = o.Key
		if l.done = !l.f(o.Key, o.Size); l.done {
			return nil
		}
	}
	return ctx.Err() // it makes a listing end early, as if that were all
}
