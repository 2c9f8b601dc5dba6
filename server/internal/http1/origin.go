package http1

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Origins says which web origins may connect. The zero value lets all of them.
type Origins struct {
	listed  []string // normal ones
	own     bool     // and that of the host which the peer asked for
	limited bool
}

// The entries of a list of origins that are not origins.
const (
	AnyOrigin = "*"    // all of them
	OwnOrigin = "self" // that of the host which the peer asked for
)

// ParseOrigins reads a list of origins, each a scheme, a host and, where it is
// not the scheme's own, a port, https://example.com:8443, or OwnOrigin. The
// list may be AnyOrigin alone.
func ParseOrigins(list []string) (Origins, error) {
	if len(list) == 1 && list[0] == AnyOrigin {
		return Origins{}, nil
	}
	o := Origins{limited: true}
	for _, s := range list {
		if s == OwnOrigin {
			o.own = true
			continue
		}
		origin, ok := normalOrigin(s)
		if !ok {
			return Origins{}, fmt.Errorf("parse origin: %q: want scheme://host[:port], as in https://example.com", s)
		}
		o.listed = append(o.listed, origin)
	}
	return o, nil
}

// Allows says whether a peer with the given Origin may connect to the given
// Host. Scheme, host and port must all be those of one entry; of the own origin
// the scheme is http or https, as somebody in front may have ended the TLS. The
// empty origin is a peer that is not a browser, which no list can hold back
// (RFC 6455 §10.2).
func (o *Origins) Allows(origin, host string) bool {
	if !o.limited || origin == "" {
		return true
	}
	normal, ok := normalOrigin(origin)
	if !ok {
		return false
	}
	return slices.Contains(o.listed, normal) || o.own && isOwn(normal, host)
}

func isOwn(origin, host string) bool {
	scheme, _, _ := strings.Cut(origin, "://")
	if scheme != "http" && scheme != "https" {
		return false
	}
	own, ok := normalOrigin(scheme + "://" + host)
	return ok && own == origin
}

// originBytes are those of an origin's host and port.
var originBytes = setOf(true, "-._:[]")

// normalOrigin is the origin in lower case without its scheme's own port. It is
// not ok for what RFC 6454 §6.2 would not write, nor for "null".
func normalOrigin(s string) (normal string, ok bool) {
	scheme, authority, ok := strings.Cut(s, "://")
	if !ok || !tokenBytes.all([]byte(scheme)) || !originBytes.all([]byte(authority)) {
		return "", false
	}
	scheme, host := strings.ToLower(scheme), strings.ToLower(authority)
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		port := host[i+1:]
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port[0] == '0' {
			return "", false
		}
		if scheme == "http" && port == "80" || scheme == "https" && port == "443" {
			host = host[:i]
		}
	}
	return scheme + "://" + host, host != "" && host[0] != ':'
}
