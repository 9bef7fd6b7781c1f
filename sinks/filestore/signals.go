package filestore

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"

	"github.com/ephemera-go/ephemera/sinks"
)

// signalStore is the log in files. Everything below is guarded by the door.
type signalStore struct {
	door
	max int64
	log *slog.Logger

	store   uint64     // identity of the log; 0 while there is no file
	files   []*logFile // ascending by number, without holes; the last one is written to
	tail    file       // the last one, open
	trimmed uint64     // sequences up to here are gone for good

	torn     bool     // behind the end of the last file lies a record that a crash cut short
	unsynced bool     // the last file holds records that another handle wrote and maybe did not sync
	begin    bool     // the last file had a failed write: go on in a new one
	remove   []string // files that hold nothing any more
}

func newSignals(ctx context.Context, files fsys, o Options) (*signalStore, error) {
	s := &signalStore{door: newDoor(files, o.ReadOnly), max: o.MaxFileBytes, log: o.Logger}
	if err := s.pass(ctx, false, func() error { return s.refresh(ctx) }); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *signalStore) newest() *logFile {
	if len(s.files) == 0 {
		return nil
	}
	return s.files[len(s.files)-1]
}

// last is the newest sequence ever stored.
func (s *signalStore) last() uint64 {
	if n := s.newest(); n != nil {
		return n.last
	}
	return 0
}

// read runs f on what is stored now.
func (s *signalStore) read(ctx context.Context, f func() error) error {
	return s.pass(ctx, false, func() error {
		if err := s.refresh(ctx); err != nil {
			return err
		}
		return f()
	})
}

// change runs f when the last file is sound and synced.
func (s *signalStore) change(ctx context.Context, f func() error) error {
	return s.write(ctx, func() error {
		if err := s.refresh(ctx); err != nil {
			return err
		}
		if err := s.settle(); err != nil {
			return err
		}
		// Waiting for the locks may have taken long, and what begins now is not interrupted.
		if err := ctx.Err(); err != nil {
			return err
		}
		return f()
	})
}

// Append implements sinks.SignalStore.
func (s *signalStore) Append(ctx context.Context, batch []sinks.Signal) error {
	return s.change(ctx, func() error {
		fresh, err := s.fresh(ctx, batch)
		if err != nil || len(fresh) == 0 {
			return err
		}
		record := appendBatch(make([]byte, recordHead, recordHead+64*len(fresh)), fresh)
		if size := len(record) - recordHead; size > maxPayload {
			return fmt.Errorf("%w: a batch of %d bytes; at most %d", sinks.ErrInvalid, size, maxPayload)
		}
		offset, err := s.put(record)
		if err == nil {
			s.newest().enter(offset, fresh, s.trimmed)
		}
		return err
	})
}

// fresh returns the part of a batch that is not stored yet.
func (s *signalStore) fresh(ctx context.Context, batch []sinks.Signal) ([]sinks.Signal, error) {
	last, i := s.last(), 0
	for i < len(batch) && batch[i].Sequence <= s.trimmed {
		i++
	}
	if i == len(batch) || batch[i].Sequence > last {
		return batch[i:], nil
	}
	err := s.visit(ctx, batch[i].Sequence-1, func(stored *sinks.Signal) bool {
		if stored.Sequence != batch[i].Sequence {
			return stored.Sequence < batch[i].Sequence
		}
		if !stored.Equal(batch[i]) {
			return false
		}
		i++
		return i < len(batch) && batch[i].Sequence <= last
	})
	if err != nil {
		return nil, err
	}
	if i < len(batch) && batch[i].Sequence <= last {
		return nil, fmt.Errorf("%w: sequence %d holds another signal, or nothing, and the log is at %d", sinks.ErrConflict, batch[i].Sequence, last)
	}
	return batch[i:], nil
}

// put writes a record, whose head it fills in, and syncs it. It returns where the record stands.
func (s *signalStore) put(record []byte) (offset int64, err error) {
	if err := s.room(int64(len(record))); err != nil {
		return 0, err
	}
	n := s.newest()
	offset = n.end
	place{store: s.store, number: n.number, offset: uint64(offset)}.seal(record)
	_, err = s.tail.WriteAt(record, offset)
	if err == nil {
		err = s.tail.Sync()
	}
	if err != nil {
		return 0, s.undo(err)
	}
	n.end += int64(len(record))
	return offset, nil
}

// undo takes the last file back to its end after a failed write. The kernel may have dropped what it could not write
// and call the pages clean, so neither the open file nor the pages behind the end are used again. If that fails too, the
// next call deals with what is there then as if somebody else had left it; others may even have gone on behind it.
func (s *signalStore) undo(cause error) error {
	s.begin = true
	if err := s.cut(); err != nil {
		s.forget()
		return fmt.Errorf("%w: %w; undoing it: %w", sinks.ErrUnknownOutcome, cause, err)
	}
	return cause
}

// cut shortens the last file to its end.
func (s *signalStore) cut() error {
	_ = s.closeTail() // it may repeat the failure that is being undone
	n := s.newest()
	f, err := s.fs.OpenWrite(logName(n.number))
	if err != nil {
		return err
	}
	err = f.Truncate(n.end)
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	s.tail = f
	return nil
}

// room makes sure that the last file may grow by size.
func (s *signalStore) room(size int64) error {
	if s.tail == nil && len(s.files) > 0 {
		f, err := s.fs.OpenWrite(logName(s.newest().number))
		if err != nil {
			return err
		}
		s.tail = f
	}
	n := s.newest()
	if n != nil && !s.begin && (n.end+size <= s.max || n.end == headerSize) {
		return nil
	}
	h := header{store: s.store, number: 1, last: s.last(), trimmed: s.trimmed}
	if n != nil {
		h.number = n.number + 1
	}
	for h.store == 0 {
		h.store = randomID()
	}
	name := logName(h.number)
	if err := replace(s.fs, name, h.encode()); err != nil {
		return fmt.Errorf("beginning log file %s: %w", name, err)
	}
	f, err := s.fs.OpenWrite(name)
	if err != nil {
		return err
	}
	_ = s.closeTail() // everything in it is synced
	s.tail, s.begin, s.store = f, false, h.store
	s.files = append(s.files, &logFile{header: h, cleared: h.trimmed, last: h.last, end: headerSize})
	return nil
}

func randomID() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint64(b[:])
}

func (s *signalStore) closeTail() error {
	if s.tail == nil {
		return nil
	}
	err := s.tail.Close()
	s.tail = nil
	return err
}

// Close gives up a lease by unlocking it; that is all others look at.
func (s *signalStore) Close() error {
	<-s.turn
	defer func() { s.turn <- struct{}{} }()
	return errors.Join(s.closeTail(), s.grip.drop(), s.fs.Close())
}
