package filestore

import "context"

// LocksCross says whether locks exclude other processes here.
const LocksCross = locksCross

// Hinder takes the lock of a store's directory until the function it returns is called.
func Hinder(dir string) (unlock func() error, err error) {
	files, err := openDir(dir, false)
	if err != nil {
		return nil, err
	}
	lock, err := files.Lock(context.Background(), lockName, lockMode{exclusive: true})
	if err != nil {
		return nil, err
	}
	return func() error {
		if err := lock.Close(); err != nil {
			return err
		}
		return files.Close()
	}, nil
}
