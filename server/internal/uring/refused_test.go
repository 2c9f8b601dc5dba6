//go:build linux

package uring

import (
	"errors"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Where a filter of system calls refuses one of those that a ring needs, there is no ring: nobody finds out by its first sends.
func TestRefusedByFilter(t *testing.T) {
	for name, call := range map[string]uint32{
		"io_uring_setup": unix.SYS_IO_URING_SETUP, "io_uring_register": unix.SYS_IO_URING_REGISTER, "io_uring_enter": unix.SYS_IO_URING_ENTER,
	} {
		t.Run(name, func(t *testing.T) {
			done := make(chan error)
			go func() {
				runtime.LockOSThread() // for good: the filter stays on the thread, which ends with the goroutine
				if err := refuse(call); err != nil {
					t.Errorf("refuse %s: %v", name, err)
				}
				r, err := New(8)
				if err == nil {
					r.Close()
				}
				done <- err
			}()
			if err := <-done; !errors.Is(err, unix.EPERM) {
				t.Errorf("a new ring: %v, want EPERM", err)
			}
		})
	}
}

// refuse has the calling thread's system calls of that number answered by EPERM (seccomp(2)).
func refuse(call uint32) error {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // the call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: call, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return errno
	}
	return nil
}
