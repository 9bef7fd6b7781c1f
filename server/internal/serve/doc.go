// Package serve is the life of a server: claim the data directory, listen, restore, be ready, and on a signal drain, save
// and go.
package serve
