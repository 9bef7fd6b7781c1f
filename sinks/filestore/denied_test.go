package filestore

import (
	"errors"
	"io/fs"
	"syscall"
	"testing"

	"github.com/ephemera-go/ephemera/sinks"
)

func TestDenied(t *testing.T) {
	for cause, want := range map[error]error{
		syscall.EROFS: sinks.ErrReadOnly, syscall.EACCES: sinks.ErrDenied, fs.ErrPermission: sinks.ErrDenied,
		syscall.ENOSPC: sinks.ErrFull, syscall.EDQUOT: sinks.ErrFull,
	} {
		if err := denied(&fs.PathError{Op: "open", Path: "x", Err: cause}); !errors.Is(err, want) || !errors.Is(err, cause) {
			t.Errorf("%v is %v, want %v", cause, err, want)
		}
	}
	if err := denied(fs.ErrClosed); err != fs.ErrClosed {
		t.Errorf("something else is %v", err)
	}
}
