//go:build unix && !linux

package main

import "syscall"

// dieWithParent has no counterpart here: a testenv that is killed leaves its servers behind.
func dieWithParent(*syscall.SysProcAttr, syscall.Signal) {}
