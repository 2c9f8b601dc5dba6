//go:build linux

// Package namespace gives a test a network of its own, so that what the test does to it (closing sockets, thin and cut links, full
// disks) happens to nobody else. A test says so in its first line and then runs in a process of its own, in new network and mount
// namespaces whose only interface is the loopback. A second network with a link to it is in link.go.
//
// It takes root, or a kernel that lets users make namespaces of their own. Where that or a tool is missing, the test fails if the
// environment says CI=true; elsewhere it is skipped, and [Report] says at the end which ones were not run, and why.
//
// What servers and loads do in there is their tests' own.
package namespace

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// variable tells a process that it is in the namespaces of the test that it names.
const variable = "FANBENCH_NAMESPACE"

// Isolate is the first call of a test that needs a network of its own, and the programs named. It returns true in the process that
// has one, and false in the original process, once that other process has ended; the test returns then.
func Isolate(t *testing.T, programs ...string) bool {
	t.Helper()
	if os.Getenv(variable) == t.Name() {
		if err := settle(); err != nil {
			t.Fatalf("settle in namespaces: %v", err)
		}
		return true
	}
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			lacks(t, program+"; scripts/install-faults.sh installs it")
			return false
		}
	}
	child := command(t.Name(), timeLeft(t))
	var output bytes.Buffer
	child.Stdout, child.Stderr = &output, &output
	switch err := child.Start(); {
	case errors.Is(err, os.ErrPermission), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSPC): // no namespaces for users here
		lacks(t, "root")
	case err != nil:
		t.Fatalf("start in namespaces: %v", err)
	default:
		if err := child.Wait(); err != nil {
			t.Errorf("in its own network (%v):\n%s", err, output.Bytes())
		}
	}
	return false
}

// command runs the one test of this test binary again, in new namespaces.
func command(test string, timeout time.Duration) *exec.Cmd {
	c := exec.Command("/proc/self/exe", "-test.run=^"+test+"$", "-test.timeout="+timeout.String())
	c.Args[0] = os.Args[0]
	c.Env = append(os.Environ(), variable+"="+test)
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if user := os.Geteuid(); user != 0 {
		c.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: user, Size: 1}}
		c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	return c
}

// timeLeft is how long the test may take, with a margin in which to say that it took too long.
func timeLeft(t *testing.T) time.Duration {
	deadline, ok := t.Deadline()
	if !ok {
		return 10 * time.Minute
	}
	return max(time.Second, time.Until(deadline)-2*time.Second)
}

// settle makes new namespaces usable: what is mounted from now on stays here, and the loopback is up.
func settle() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	return raise("lo")
}

// raise brings an interface of the calling thread's network up.
func raise(device string) error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(socket)
	request, err := unix.NewIfreq(device)
	if err != nil {
		return fmt.Errorf("name interface %s: %w", device, err)
	}
	request.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request); err != nil {
		return fmt.Errorf("bring %s up: %w", device, os.NewSyscallError("ioctl", err))
	}
	return nil
}

// missing is which tests were not run, and what they need.
var missing struct {
	sync.Mutex
	lines []string
}

// lacks fails the test, or notes that it was not run.
func lacks(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("needs %s, which CI must have", what)
	}
	missing.Lock()
	missing.lines = append(missing.lines, fmt.Sprintf("%s needs %s", t.Name(), what))
	missing.Unlock()
	t.Skipf("not run: needs %s", what)
}

// Report is the last call of a TestMain: it writes which tests were not run, one a line.
func Report(to io.Writer) {
	missing.Lock()
	defer missing.Unlock()
	for _, line := range missing.lines {
		fmt.Fprintf(to, "not run: %s\n", line)
	}
}

// Disk mounts a file system in memory of so many bytes, full pages, at a new directory, and returns the directory.
func Disk(t *testing.T, size int) string {
	t.Helper()
	directory := t.TempDir()
	if err := unix.Mount("disk", directory, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		t.Fatalf("mount disk: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(directory, unix.MNT_DETACH) })
	return directory
}
