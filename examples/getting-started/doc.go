// Package gettingstarted holds what docs/getting-started.md shows, in tests, so that it runs.
package gettingstarted
