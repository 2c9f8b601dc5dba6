package main

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// target is where --url points.
type target struct {
	url    string
	secure bool   // wss
	host   string // for the request's Host field: host, and port as given
	name   string // host to look up
	port   uint16
	path   string // with its query; empty if the URL has none
}

const urlForm = "want ws://host:port or wss://host:port"

// parseTarget reads a ws or wss URL (RFC 6455 §3). The path is kept as written,
// since it may hold {room}.
func parseTarget(text string) (target, error) {
	wrong := func(format string, values ...any) (target, error) {
		return target{}, fmt.Errorf("--url %s: %s", text, fmt.Sprintf(format, values...))
	}
	if text == "" {
		return target{}, fmt.Errorf("--url is missing; give the server's address, for example --url ws://127.0.0.1:9001")
	}
	scheme, rest, found := strings.Cut(text, "://")
	secure := strings.EqualFold(scheme, "wss")
	switch {
	case !found:
		return wrong("no scheme; %s", urlForm)
	case !secure && !strings.EqualFold(scheme, "ws"):
		return wrong("unknown scheme %q; %s", scheme, urlForm)
	}
	u, err := url.Parse("ws://" + rest)
	if err != nil {
		if inner, ok := err.(*url.Error); ok {
			err = inner.Err
		}
		return wrong("%v; %s", err, urlForm)
	}
	if u.Hostname() == "" {
		return wrong("no host; %s", urlForm)
	}
	if u.User != nil {
		// Not repeated: it may hold a password.
		return target{}, fmt.Errorf("--url: a user name has no place in a WebSocket URL; %s, and --header for credentials", urlForm)
	}
	if strings.Contains(rest, "#") {
		return wrong("a fragment has no place in a WebSocket URL; leave out # and what follows")
	}
	port := 80
	if secure {
		port = 443
	}
	if u.Port() != "" {
		if port, err = strconv.Atoi(u.Port()); err != nil || port < 1 || port > 65535 {
			return wrong("port %s; want 1 to 65535", u.Port())
		}
	}
	t := target{url: text, secure: secure, host: u.Host, name: u.Hostname(), port: uint16(port)}
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

// resolver looks host names up; [net.Resolver] is one.
type resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// resolve looks the host up, once for the whole run; IPv4 is preferred, because
// sources can be spread over its loopback addresses.
func (t target) resolve(ctx context.Context, names resolver) (netip.AddrPort, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	addresses, err := names.LookupNetIP(ctx, "ip", t.name)
	if err != nil {
		return netip.AddrPort{}, err
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
