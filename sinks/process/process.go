// Package process tells drivers whether the process that left something behind still lives: who holds a lease, or was writing a
// blob, is not waited for when it is known to have ended.
//
// It is known on Linux, of processes of the same machine. Elsewhere, and of other machines, nobody is known to have ended, and
// drivers wait for a time that their documentation states.
package process

// A Process is one that may have ended, to be stored and read by others. The zero value is nobody, of whom nothing is known.
type Process struct {
	Host string // the machine
	ID   string // never given twice there
}

// This returns the process that calls it. It is safe for concurrent use.
func This() Process { return this() }

// Gone reports whether p is known to have ended. It takes a few system calls, never waits, and is safe for concurrent use.
func (p Process) Gone() bool { return p.Host != "" && p.Host == this().Host && ended(p.ID) }
