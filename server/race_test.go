//go:build race

package main

// Under the race detector the program that the tests start is built with it as well.
func init() { buildFlags = append(buildFlags, "-race") }
