// Package faults holds tests of what a run says when something breaks: at the
// target, on the way to it, in the generator or where results are kept. There is
// one test for each fault of docs/faults.md, by its number, against the real
// programs. `make faults` runs them.
//
// They have the build tag faults, because many need namespaces of their own
// (package namespace) or tens of seconds. What a fault does within one package
// is that package's to test.
package faults
