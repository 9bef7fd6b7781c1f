package sinks

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	maxBlobName = 512
	maxSegment  = 128
)

func blobByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-'
}

// CheckBlobName returns an ErrInvalid that says which rule of BlobStore the name breaks, or nil.
func CheckBlobName(name string) error {
	if len(name) > maxBlobName {
		return fmt.Errorf("%w: a blob name of %d bytes; at most %d", ErrInvalid, len(name), maxBlobName)
	}
	for segment := range strings.SplitSeq(name, "/") {
		switch {
		case segment == "":
			return fmt.Errorf("%w: blob name %s has an empty segment", ErrInvalid, show(name))
		case len(segment) > maxSegment:
			return fmt.Errorf("%w: blob name %s has a segment of %d bytes; at most %d", ErrInvalid, show(name), len(segment), maxSegment)
		case segment[0] == '.':
			return fmt.Errorf("%w: blob name %s has a segment that starts with a dot", ErrInvalid, show(name))
		}
	}
	return checkBlobPart("blob name", name)
}

// checkBlobPart holds a prefix or bound of a listing to the bytes of names.
func checkBlobPart(what, part string) error {
	if len(part) > maxBlobName {
		return fmt.Errorf("%w: a %s of %d bytes; at most %d", ErrInvalid, what, len(part), maxBlobName)
	}
	for i := range len(part) {
		if c := part[i]; c != '/' && !blobByte(c) {
			return fmt.Errorf("%w: %s %s holds byte %#02x; only a-z, 0-9, '.', '_', '-' and '/' may stand there", ErrInvalid, what, show(part), c)
		}
	}
	return nil
}

// show quotes what a caller gave, short enough for a message.
func show(s string) string {
	const most = 64
	if len(s) > most {
		return fmt.Sprintf("%q…", s[:most])
	}
	return fmt.Sprintf("%q", s)
}

// CheckSignal returns an ErrInvalid that says which rule of Signal s breaks, or nil.
func CheckSignal(s *Signal) error {
	if s.Sequence < 1 || s.Sequence > MaxSequence {
		return fmt.Errorf("%w: sequence %d; 1 to %d are allowed", ErrInvalid, s.Sequence, uint64(MaxSequence))
	}
	if err := checkTime(s.Time); err != nil {
		return fmt.Errorf("%w (sequence %d)", err, s.Sequence)
	}
	if s.Name == "" {
		return fmt.Errorf("%w: empty name (sequence %d)", ErrInvalid, s.Sequence)
	}
	if len(s.Path) > MaxPathNames {
		return fmt.Errorf("%w: path of %d names; at most %d (sequence %d)", ErrInvalid, len(s.Path), MaxPathNames, s.Sequence)
	}
	if len(s.Data) > MaxDataBytes {
		return fmt.Errorf("%w: data of %d bytes; at most %d (sequence %d)", ErrInvalid, len(s.Data), MaxDataBytes, s.Sequence)
	}
	err := checkText("name", s.Name, MaxNameBytes)
	if err == nil {
		err = checkText("key", s.Key, MaxKeyBytes)
	}
	for i := 0; err == nil && i < len(s.Path); i++ {
		if s.Path[i] == "" {
			err = fmt.Errorf("%w: empty name in path", ErrInvalid)
		} else {
			err = checkText("name in path", s.Path[i], MaxNameBytes)
		}
	}
	if err != nil {
		return fmt.Errorf("%w (sequence %d)", err, s.Sequence)
	}
	return nil
}

func checkText(what, text string, most int) error {
	switch {
	case len(text) > most:
		return fmt.Errorf("%w: %s of %d bytes; at most %d", ErrInvalid, what, len(text), most)
	case strings.IndexByte(text, 0) >= 0:
		return fmt.Errorf("%w: %s %s holds NUL", ErrInvalid, what, show(text))
	case !utf8.ValidString(text):
		return fmt.Errorf("%w: %s %s is not UTF-8", ErrInvalid, what, show(text))
	}
	return nil
}

func checkTime(t time.Time) error {
	if year := t.UTC().Year(); year < 1 || year > 9999 {
		return fmt.Errorf("%w: time in year %d; 1 to 9999 are allowed", ErrInvalid, year)
	}
	return nil
}

func checkBatch(batch []Signal) error {
	for i := range batch {
		if err := CheckSignal(&batch[i]); err != nil {
			return err
		}
		if i > 0 && batch[i].Sequence <= batch[i-1].Sequence {
			return fmt.Errorf("%w: sequence %d after %d in one batch", ErrInvalid, batch[i].Sequence, batch[i-1].Sequence)
		}
	}
	return nil
}
