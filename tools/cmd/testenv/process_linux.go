package main

import "syscall"

// dieWithParent sends the process a signal when testenv ends, however it ends.
func dieWithParent(a *syscall.SysProcAttr, s syscall.Signal) { a.Pdeathsig = s }
