package filestore

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io/fs"
	"strings"
)

// A blob named a/b/c is the file a+/b+/c. The '+', which no name holds, keeps the directory a+ apart from a blob a.
const dirMark = "+"

func blobPath(name string) string { return strings.ReplaceAll(name, "/", dirMark+"/") }

func parent(path string) string {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i]
	}
	return "."
}

// removedName holds something new whenever a directory was removed.
const removedName = ".removed"

// folders makes and removes the directories of blobs. Only who holds the store's lock alone uses it.
type folders struct {
	fs      fsys
	durable map[string]bool // directories that this handle knows to be durable, up to the root
	removed []byte          // content of removedName when durable was right
}

// mostDurable bounds what a handle remembers; forgetting costs syncs.
const mostDurable = 10_000

// look forgets what is durable if somebody has removed directories: one that is there again may not be.
func (f *folders) look() {
	now, err := readSmall(f.fs, removedName, 64)
	unknown := err != nil && !errors.Is(err, fs.ErrNotExist)
	if unknown || !bytes.Equal(now, f.removed) || len(f.durable) > mostDurable {
		clear(f.durable)
		f.removed = now
	}
}

// mkdirs makes a directory and those above it, durably. One that is there may have been made by somebody who was killed
// before he synced it, so this handle syncs each of them once.
func (f *folders) mkdirs(dir string) error {
	if dir == "." || f.durable[dir] {
		return nil
	}
	above := parent(dir)
	if err := f.mkdirs(above); err != nil {
		return err
	}
	if err := f.fs.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := f.fs.SyncDir(above); err != nil {
		return err
	}
	f.durable[dir] = true
	return nil
}

// settle makes the entries of a directory durable, and the directory itself.
func (f *folders) settle(dir string) error {
	if err := f.mkdirs(dir); err != nil {
		return err
	}
	return f.fs.SyncDir(dir)
}

// removeEmpty removes a directory and those above it as long as they are empty, and returns the lowest one that is there.
// What cannot be removed stays; an empty directory harms nobody.
func (f *folders) removeEmpty(dir string) (left string) {
	told := false
	for ; dir != "."; dir = parent(dir) {
		entries, err := f.fs.ReadDir(dir, 1)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil || len(entries) > 0 {
			break
		}
		// Others hear of it first: who is killed in between has told too much, not too little.
		if !told {
			f.look()
			if f.tell() != nil {
				break
			}
			told = true
		}
		if err := removeIfThere(f.fs, dir); err != nil {
			break
		}
		delete(f.durable, dir)
	}
	return dir
}

// tell changes removedName. A power cut may undo that: then no handle is left that would remember anything.
func (f *folders) tell() error {
	file, err := f.fs.OpenWrite(removedName)
	if errors.Is(err, fs.ErrNotExist) {
		file, err = f.fs.Create(removedName)
	}
	if err != nil {
		return err
	}
	now := []byte(rand.Text())
	_, err = file.WriteAt(now, 0)
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	f.removed = now
	return nil
}
