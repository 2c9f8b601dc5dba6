//go:build race

package conformance

// Under the race detector the server that the tests start is built with it as well, except where its memory is measured.
func init() { raceFlags = []string{"-race"} }
