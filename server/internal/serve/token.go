package serve

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/ephemera-go/ephemera/server/internal/web"
)

// ownToken returns the token that is kept in a data directory, and where. The first call makes it. The directory must be this
// process's own.
func ownToken(dir string) (token, path string, made bool, err error) {
	if path, err = filepath.Abs(filepath.Join(dir, "token")); err != nil {
		return "", "", false, fmt.Errorf("%w: %w", ErrToken, err)
	}
	token, err = keptToken(path)
	if errors.Is(err, fs.ErrNotExist) {
		made = true
		token, err = makeToken(path)
	}
	if err != nil {
		return "", "", false, fmt.Errorf("%w: %w", ErrToken, err)
	}
	return token, path, made, nil
}

// keptToken reads a token that nobody else may read.
func keptToken(path string) (string, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is no regular file", path)
	}
	if others := info.Mode().Perm() & 0o077; others != 0 && runtime.GOOS != "windows" {
		return "", fmt.Errorf("%s has mode %04o, so others may know it; delete it to get another one, or chmod 600", path, info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(text))
	if err := web.CheckToken(token); err != nil {
		return "", fmt.Errorf("%s: %w; delete it to get another one", path, err)
	}
	return token, nil
}

// makeToken writes a token that nobody knows. A crash leaves all of it or none.
func makeToken(path string) (token string, err error) {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // it never fails
	token = hex.EncodeToString(random)
	f, err := os.CreateTemp(filepath.Dir(path), ".token-*") // with mode 0600
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(token + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return token, nil
}
