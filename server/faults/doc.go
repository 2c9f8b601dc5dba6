// Package faults holds tests of what the server does when something breaks around it or in it: one test for each fault of
// docs/faults.md, by its number, against the real program. `make faults` runs them.
//
// They have the build tag faults, because each needs a network of its own (package namespace), tens of thousands of descriptors or
// tens of seconds. What a fault does within one package is that package's to test.
package faults
