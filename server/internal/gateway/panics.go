//go:build linux && faults

package gateway

// A server that is built with the tag faults panics at a message that asks for it, since no other one is known to make it panic.
func init() {
	testHook = func(payload []byte) {
		if string(payload) == "panic, please" {
			panic("as a message asked for")
		}
	}
}
