//go:build linux

package namespace

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// A Network is a second network, which one link joins to the test's own.
type Network struct {
	Here, There string // IPv4 addresses of the link's two ends, here in the test's own network
	t           *testing.T
	namespace   *os.File
	device      string // this end; that end is "far"
}

var networks atomic.Int32

// Connect makes a network and the link. It needs the program ip.
func Connect(t *testing.T) *Network {
	t.Helper()
	i := networks.Add(1)
	n := &Network{
		t: t, device: fmt.Sprintf("link%d", i),
		Here: fmt.Sprintf("10.77.%d.1", i), There: fmt.Sprintf("10.77.%d.2", i),
	}
	if err := onThread(func() (err error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return os.NewSyscallError("unshare", err)
		}
		n.namespace, err = os.Open(ownNetwork)
		return err
	}); err != nil {
		t.Fatalf("make network: %v", err)
	}
	t.Cleanup(func() { _ = n.namespace.Close() })
	there := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.namespace.Fd())
	n.run("ip", "link", "add", n.device, "type", "veth", "peer", "name", "far", "netns", there)
	n.run("ip", "address", "add", n.Here+"/24", "dev", n.device)
	n.run("ip", "link", "set", n.device, "up")
	n.Do(func() error {
		n.run("ip", "address", "add", n.There+"/24", "dev", "far")
		n.run("ip", "link", "set", "far", "up")
		return raise("lo")
	})
	return n
}

// Do runs f in the network: sockets that f opens, and programs that it starts, are there for good.
func (n *Network) Do(f func() error) {
	n.t.Helper()
	err := onThread(func() error {
		if err := unix.Setns(int(n.namespace.Fd()), unix.CLONE_NEWNET); err != nil {
			return os.NewSyscallError("setns", err)
		}
		return f()
	})
	if err != nil {
		n.t.Fatalf("in the network beyond %s: %v", n.device, err)
	}
}

// Limit makes the link thin from this end on: it carries so many bits per second, in tc's notation ("1mbit"), and what waits for it
// longer than 100 ms is dropped. It needs the program tc.
func (n *Network) Limit(rate string) {
	n.t.Helper()
	n.run("tc", "qdisc", "replace", "dev", n.device, "root", "tbf", "rate", rate, "burst", "32kb", "latency", "100ms")
}

// Cut has everything vanish that either side sends to the other from now on. Neither is told.
func (n *Network) Cut() {
	n.t.Helper()
	n.Do(func() error { n.run("ip", "link", "set", "far", "down"); return nil })
}

func (n *Network) run(program string, args ...string) {
	n.t.Helper()
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		n.t.Errorf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
}

const ownNetwork = "/proc/thread-self/ns/net"

// onThread runs f on this goroutine's thread and brings the thread back to the network that it came from.
func onThread(f func() error) error {
	runtime.LockOSThread()
	home, err := os.Open(ownNetwork)
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("open own network: %w", err)
	}
	defer home.Close()
	err = f()
	if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
		return fmt.Errorf("return to own network: %w", back) // the thread stays locked, and ends with its goroutine
	}
	runtime.UnlockOSThread()
	return err
}
