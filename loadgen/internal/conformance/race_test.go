//go:build race

package conformance_test

func init() { raceFlags = []string{"-race"} }
