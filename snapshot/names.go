package snapshot

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/ephemera-go/ephemera/sinks"
)

// In the place, a store of name N has
//
//	N/manifests/<ordinal>              16 hexadecimal digits
//	N/objects/<ordinal>-<writer>-<n>   the ordinal under which the object was written first
//	N/opened/<ordinal>                 somebody opened the final snapshot of that ordinal for writing

func checkName(name string) error {
	if strings.Contains(name, "/") {
		return fmt.Errorf("%w: name %q", ErrOption, name)
	}
	return sinks.CheckBlobName(name)
}

// nameOr returns the name, or DefaultName.
func nameOr(name string) (string, error) {
	if name == "" {
		name = DefaultName
	}
	if checkName(name) != nil {
		return name, fmt.Errorf("%w: name %q", ErrOption, name)
	}
	return name, nil
}

func manifestPrefix(name string) string { return name + "/manifests/" }
func objectPrefix(name string) string   { return name + "/objects/" }
func openedPrefix(name string) string   { return name + "/opened/" }

func manifestName(name string, ordinal uint64) string {
	return fmt.Sprintf("%s%016x", manifestPrefix(name), ordinal)
}

func openedName(name string, ordinal uint64) string {
	return fmt.Sprintf("%s%016x", openedPrefix(name), ordinal)
}

func objectName(name string, ordinal uint64, writer string, n int) string {
	return fmt.Sprintf("%s%016x-%s-%04x", objectPrefix(name), ordinal, writer, n)
}

// ordinalOf reads the ordinal from what follows the prefix; not ok if this is no name of ours.
func ordinalOf(rest string) (ordinal uint64, ok bool) {
	const digits = 16
	if len(rest) < digits || len(rest) > digits && rest[digits] != '-' {
		return 0, false
	}
	ordinal, err := strconv.ParseUint(rest[:digits], 16, 64)
	return ordinal, err == nil && ordinal > 0 && rest[:digits] == fmt.Sprintf("%016x", ordinal)
}

// manifestOrdinal reads the ordinal from the name of a manifest; not ok if it is none of ours.
func manifestOrdinal(name, blob string) (ordinal uint64, ok bool) {
	rest, ok := strings.CutPrefix(blob, manifestPrefix(name))
	if !ok || strings.Contains(rest, "-") {
		return 0, false
	}
	return ordinalOf(rest)
}

// newWriter returns a random word.
func newWriter() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read ends the program rather than return an error
	return hex.EncodeToString(b[:])
}

// listOrdinals returns the ordinals of the blobs with a prefix, ascending, and the names that are not ours.
func listOrdinals(ctx context.Context, blobs sinks.BlobStore, prefix string) (ordinals []uint64, foreign []string, err error) {
	list, err := blobs.List(ctx, prefix, "", 0)
	if err != nil {
		return nil, nil, err
	}
	for _, b := range list {
		rest := strings.TrimPrefix(b.Name, prefix)
		if ordinal, ok := ordinalOf(rest); ok && !strings.Contains(rest, "-") {
			ordinals = append(ordinals, ordinal)
		} else {
			foreign = append(foreign, b.Name)
		}
	}
	return ordinals, foreign, nil
}
