package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// target is where --url points.
type target struct {
	url  string
	host string // for the request's Host field: host, and port as given
	name string // host to look up
	port uint16
	path string // with its query; empty if the URL has none
}

// parseTarget reads a ws URL (RFC 6455 §3). The path is kept as written, since
// it may hold {room}.
func parseTarget(text string) (target, error) {
	wrong := func(format string, values ...any) (target, error) {
		return target{}, fmt.Errorf("--url %s: %s", text, fmt.Sprintf(format, values...))
	}
	if text == "" {
		return target{}, fmt.Errorf("--url is missing; give the server's address, for example --url ws://127.0.0.1:9001")
	}
	scheme, rest, found := strings.Cut(text, "://")
	switch {
	case !found:
		return wrong("no scheme; want ws://host:port")
	case strings.EqualFold(scheme, "wss"):
		return wrong("TLS is not supported yet; want ws://host:port")
	case !strings.EqualFold(scheme, "ws"):
		return wrong("unknown scheme %q; want ws://host:port", scheme)
	}
	u, err := url.Parse("ws://" + rest)
	if err != nil {
		if inner, ok := err.(*url.Error); ok {
			err = inner.Err
		}
		return wrong("%v; want ws://host:port", err)
	}
	if u.Hostname() == "" {
		return wrong("no host; want ws://host:port")
	}
	if u.User != nil {
		return wrong("a user name has no place in a WebSocket URL; want ws://host:port")
	}
	if strings.Contains(rest, "#") {
		return wrong("a fragment has no place in a WebSocket URL; leave out # and what follows")
	}
	port := 80
	if u.Port() != "" {
		if port, err = strconv.Atoi(u.Port()); err != nil || port < 1 || port > 65535 {
			return wrong("port %s; want 1 to 65535", u.Port())
		}
	}
	t := target{url: text, host: u.Host, name: u.Hostname(), port: uint16(port)}
	if at := strings.IndexAny(rest, "/?"); at >= 0 {
		t.path = rest[at:]
		if t.path[0] == '?' {
			t.path = "/" + t.path
		}
	}
	for _, r := range t.path {
		if r <= ' ' || r >= 0x7f {
			return wrong("%q in the path; write it percent-encoded", r)
		}
	}
	return t, nil
}

// lookupTimeout bounds the look-up of a host name.
const lookupTimeout = 10 * time.Second

// resolve looks the host up; IPv4 is preferred, because sources can be spread
// over its loopback addresses.
func (t target) resolve(ctx context.Context) (netip.AddrPort, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", t.name)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("--url %s: %w", t.url, err)
	}
	best := addresses[0].Unmap()
	for _, a := range addresses {
		if a.Unmap().Is4() {
			best = a.Unmap()
			break
		}
	}
	return netip.AddrPortFrom(best, t.port), nil
}
