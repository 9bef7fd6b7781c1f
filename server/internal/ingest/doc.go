// Package ingest turns files into events of a stream, each record one event, and goes on where an earlier run ended.
//
// An event's id is the name of its source and the offset of its record, so the stream itself tells how far it has come:
// nothing else remembers it, and what the server has lost is sent again.
package ingest
