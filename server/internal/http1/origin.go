package http1

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Origins is a list of the web origins that may connect. The nil list allows
// all of them.
type Origins []string

// ParseOrigins reads a list of origins, each a scheme, a host and, where it is
// not the scheme's own, a port: https://example.com:8443.
func ParseOrigins(list []string) (Origins, error) {
	var origins Origins
	for _, s := range list {
		origin, ok := normalOrigin(s)
		if !ok {
			return nil, fmt.Errorf("parse origin: %q: want scheme://host[:port], as in https://example.com", s)
		}
		origins = append(origins, origin)
	}
	return origins, nil
}

// Allows says whether a peer with the given Origin may connect. Scheme, host
// and port must all be those of one entry. The empty origin is a peer that is
// not a browser, which no list can hold back (RFC 6455 §10.2).
func (o Origins) Allows(origin string) bool {
	if o == nil || origin == "" {
		return true
	}
	normal, ok := normalOrigin(origin)
	return ok && slices.Contains(o, normal)
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
