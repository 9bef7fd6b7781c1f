package filestore

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

// crashFS is a file system in memory that records what is done to it, so that a test can build every state that a
// power cut may leave: what was synced is there, and of everything else any part, in any order.
type crashFS struct {
	mu    sync.Mutex
	base  []*node        // what was durable when recording began
	nodes []*node        // by inode; 0 is the root
	locks map[string]int // shared holders, or -1
	ops   []fsOp
	fail  func(n int) error // asked before operation n happens; nil means it succeeds
	lie   string            // the kind of operation that does nothing although it says so
	dead  bool              // the process was killed: nothing that it asks for happens
}

// A node is what the running system sees of a file or directory.
type node struct {
	data  []byte
	names map[string]int // of a directory
}

type fsOp struct {
	kind   string // name, rename, unlink, write, truncate, sync, syncdir, badsync
	dir    int    // of name, rename, unlink, syncdir
	from   string // of rename
	name   string
	node   int // of name, rename, write, truncate, sync, badsync
	offset int64
	data   []byte
}

var (
	errInjected = errors.New("injected")
	errKilled   = errors.New("killed")
)

func newCrashFS() *crashFS { return startFrom([]*node{{names: make(map[string]int)}}) }

// startFrom makes a file system of nodes that are durable.
func startFrom(nodes []*node) *crashFS {
	return &crashFS{base: nodes, nodes: copyNodes(nodes), locks: make(map[string]int)}
}

func copyNodes(nodes []*node) []*node {
	copied := make([]*node, len(nodes))
	for i, n := range nodes {
		copied[i] = &node{data: slices.Clone(n.data), names: maps.Clone(n.names)}
	}
	return copied
}

// do records an operation, or fails it.
func (c *crashFS) do(op fsOp, apply func()) error {
	n := len(c.ops)
	if c.dead {
		return errKilled
	}
	if c.fail != nil {
		if err := c.fail(n); err != nil {
			if c.dead {
				return err
			}
			if op.kind == "sync" {
				// The kernel drops what it could not write and takes the pages for clean.
				op.kind = "badsync"
			} else {
				op.kind = "none"
			}
			c.ops = append(c.ops, op)
			return err
		}
	}
	if op.kind == c.lie {
		op.kind = "none"
	}
	c.ops = append(c.ops, op)
	apply()
	return nil
}

func (c *crashFS) find(name string) (dir int, base string, id int, err error) {
	if name == "." {
		return 0, ".", 0, nil
	}
	id = 0
	for part := range strings.SplitSeq(name, "/") {
		if id < 0 || c.nodes[id].names == nil {
			return 0, "", 0, &fs.PathError{Op: "find", Path: name, Err: fs.ErrNotExist}
		}
		dir, base = id, part
		next, ok := c.nodes[id].names[part]
		if !ok {
			next = -1
		}
		id = next
	}
	return dir, base, id, nil
}

func (c *crashFS) existing(name string) (int, error) {
	_, _, id, err := c.find(name)
	if err == nil && id < 0 {
		err = &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return id, err
}

func (c *crashFS) Open(name string) (file, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id, err := c.existing(name)
	return &crashFile{c, id}, err
}

func (c *crashFS) OpenWrite(name string) (file, error) { return c.Open(name) }

func (c *crashFS) make(name string, n *node, put bool) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	dir, base, id, err := c.find(name)
	if err != nil {
		return 0, err
	}
	if id >= 0 {
		if put {
			return id, nil
		}
		return 0, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	id = len(c.nodes)
	err = c.do(fsOp{kind: "name", dir: dir, name: base, node: id}, func() {
		c.nodes = append(c.nodes, n)
		c.nodes[dir].names[base] = id
	})
	return id, err
}

func (c *crashFS) Create(name string) (file, error) {
	id, err := c.make(name, &node{}, false)
	return &crashFile{c, id}, err
}

func (c *crashFS) Mkdir(name string) error {
	_, err := c.make(name, &node{names: make(map[string]int)}, false)
	return err
}

func (c *crashFS) Rename(from, to string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	dir, base, id, err := c.find(from)
	if err != nil || id < 0 {
		return errors.Join(err, fs.ErrNotExist)
	}
	if path.Dir(from) != path.Dir(to) {
		panic("renames between directories are not modelled")
	}
	target := path.Base(to)
	return c.do(fsOp{kind: "rename", dir: dir, from: base, name: target, node: id}, func() {
		delete(c.nodes[dir].names, base)
		c.nodes[dir].names[target] = id
	})
}

func (c *crashFS) Link(from, to string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	source, err := c.existing(from)
	if err != nil {
		return err
	}
	dir, base, id, err := c.find(to)
	if err == nil && id >= 0 {
		err = fs.ErrExist
	}
	if err != nil {
		return err
	}
	return c.do(fsOp{kind: "name", dir: dir, name: base, node: source}, func() { c.nodes[dir].names[base] = source })
}

func (c *crashFS) Remove(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	dir, base, id, err := c.find(name)
	if err == nil && id < 0 {
		err = fs.ErrNotExist
	}
	if err == nil && len(c.nodes[id].names) > 0 {
		err = errors.New("directory not empty")
	}
	if err != nil {
		return err
	}
	return c.do(fsOp{kind: "unlink", dir: dir, name: base}, func() { delete(c.nodes[dir].names, base) })
}

func (c *crashFS) Lstat(name string) (fs.FileInfo, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id, err := c.existing(name)
	if err != nil {
		return nil, err
	}
	return crashInfo{path.Base(name), c.nodes[id].names != nil, int64(len(c.nodes[id].data))}, nil
}

func (c *crashFS) ReadDir(name string, most int) ([]fs.DirEntry, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id, err := c.existing(name)
	if err != nil {
		return nil, err
	}
	var entries []fs.DirEntry
	for _, name := range slices.Sorted(maps.Keys(c.nodes[id].names)) {
		n := c.nodes[c.nodes[id].names[name]]
		if entries = append(entries, fs.FileInfoToDirEntry(crashInfo{name, n.names != nil, int64(len(n.data))})); len(entries) == most {
			break
		}
	}
	return entries, nil
}

func (c *crashFS) SyncDir(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	id, err := c.existing(name)
	if err != nil {
		return err
	}
	return c.do(fsOp{kind: "syncdir", dir: id}, func() {})
}

func (c *crashFS) Close() error { return nil }

// Lock creates the file as the real one does, but without recording it: whether it survives does not matter.
func (c *crashFS) Lock(_ context.Context, name string, how lockMode) (io.Closer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.locks[name]
	if n != 0 && (how.exclusive || n < 0) {
		if !how.try {
			panic("a test waits for the lock " + name)
		}
		return nil, errBusy
	}
	if how.exclusive {
		n = -2
	}
	c.locks[name] = n + 1
	return &crashLock{c, name, how.exclusive}, nil
}

type crashLock struct {
	fs        *crashFS
	name      string
	exclusive bool
}

func (l *crashLock) Close() error {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	if l.exclusive {
		l.fs.locks[l.name] = 0
	} else {
		l.fs.locks[l.name]--
	}
	return nil
}

type crashInfo struct {
	name string
	dir  bool
	size int64
}

func (i crashInfo) Name() string       { return i.name }
func (i crashInfo) Size() int64        { return i.size }
func (i crashInfo) ModTime() time.Time { return time.Time{} }
func (i crashInfo) IsDir() bool        { return i.dir }
func (i crashInfo) Sys() any           { return nil }
func (i crashInfo) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o700
	}
	return 0o600
}

type crashFile struct {
	fs *crashFS
	id int
}

func (f *crashFile) ReadAt(p []byte, offset int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	data := f.fs.nodes[f.id].data
	if offset > int64(len(data)) {
		return 0, io.EOF
	}
	n := copy(p, data[offset:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *crashFile) WriteAt(p []byte, offset int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	op := fsOp{kind: "write", node: f.id, offset: offset, data: slices.Clone(p)}
	err := f.fs.do(op, func() { f.fs.nodes[f.id].write(op.data, offset) })
	if err != nil && !f.fs.dead {
		// A part of it has arrived, as when the disk is full.
		half := op.data[:len(op.data)/2]
		f.fs.ops = append(f.fs.ops, fsOp{kind: "write", node: f.id, offset: offset, data: half})
		f.fs.nodes[f.id].write(half, offset)
	}
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

func (n *node) write(p []byte, offset int64) {
	if need := offset + int64(len(p)) - int64(len(n.data)); need > 0 {
		n.data = append(n.data, make([]byte, need)...)
	}
	copy(n.data[offset:], p)
}

func (n *node) resize(size int64) {
	if size < int64(len(n.data)) {
		n.data = n.data[:size:size]
	} else {
		n.data = append(n.data, make([]byte, size-int64(len(n.data)))...)
	}
}

func (f *crashFile) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return int64(len(f.fs.nodes[f.id].data)), nil
}

func (f *crashFile) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return f.fs.do(fsOp{kind: "truncate", node: f.id, offset: size}, func() { f.fs.nodes[f.id].resize(size) })
}

func (f *crashFile) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return f.fs.do(fsOp{kind: "sync", node: f.id}, func() {})
}

func (f *crashFile) Close() error { return nil }
