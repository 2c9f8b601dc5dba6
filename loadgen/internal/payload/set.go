package payload

import "fanbench/loadgen/scenario"

// Set holds one payload of each size that a scenario's publications have. It
// belongs to one goroutine: the stamp is written into the payload itself.
type Set struct {
	messages [][]byte
	at       int
}

// NewSet makes the payloads of a scenario: see [New], which also says when it
// panics.
func NewSet(s scenario.Scenario) Set {
	var set Set
	for _, w := range s.Distribution() {
		var message []byte
		message, set.at = New(s.Payload, int(w.Size)) // at is the same for all of a kind
		set.messages = append(set.messages, message)
	}
	return set
}

// Of returns the payload of a size and where in it the stamp belongs. It
// returns nil for a size that the scenario does not have.
func (s Set) Of(size int) (message []byte, at int) {
	for _, message := range s.messages {
		if len(message) == size {
			return message, s.at
		}
	}
	return nil, 0
}
