// Package web serves a State over HTTP: the routes, who may use them, and their limits.
//
// A Site answers from the start: before Open and after Drain it says that it is not ready.
package web
