//go:build linux

package namespace_test

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"fanbench/server/servertest/namespace"
)

func TestMain(m *testing.M) {
	code := m.Run()
	namespace.Report(os.Stdout)
	os.Exit(code)
}

// The loopback is all there is, and it works; what is mounted here is as small as it was asked to be.
func TestIsolate(t *testing.T) {
	if !namespace.Isolate(t) {
		return
	}
	devices, err := net.Interfaces()
	if err != nil || len(devices) != 1 || devices[0].Flags&net.FlagUp == 0 {
		t.Fatalf("interfaces %v, %v; want one, up", devices, err)
	}
	if got := talk(t, listen(t, "127.0.0.1"), nil); got != "hello" {
		t.Errorf("over the loopback: %q", got)
	}
	file := filepath.Join(namespace.Disk(t, 64<<10), "file")
	if err := os.WriteFile(file, make([]byte, 128<<10), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("128 KiB to a disk of 64 KiB: %v, want no space", err)
	}
}

// Sockets that were opened in the other network reach this one, until the link is cut.
func TestConnect(t *testing.T) {
	if !namespace.Isolate(t, "ip", "tc") {
		return
	}
	n := namespace.Connect(t)
	n.Limit("1mbit")
	address := listen(t, n.Here)
	if got := talk(t, address, n); got != "hello" {
		t.Errorf("over the link: %q", got)
	}
	n.Cut()
	n.Do(func() error {
		if c, err := net.DialTimeout("tcp", address, 50*time.Millisecond); err == nil {
			_ = c.Close()
			t.Error("connected over a cut link")
		}
		return nil
	})
}

// listen says hello to whoever connects.
func listen(t *testing.T, host string) (address string) {
	listener, err := net.Listen("tcp", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "hello")
			_ = c.Close()
		}
	}()
	return listener.Addr().String()
}

// talk connects, from the other network if there is one, and returns what was heard.
func talk(t *testing.T, address string, from *namespace.Network) (heard string) {
	t.Helper()
	dial := func() error {
		c, err := net.DialTimeout("tcp", address, 10*time.Second)
		if err != nil {
			return err
		}
		defer c.Close()
		b, err := io.ReadAll(c)
		heard = string(b)
		return err
	}
	if from != nil {
		from.Do(dial)
		return heard
	}
	if err := dial(); err != nil {
		t.Fatal(err)
	}
	return heard
}
