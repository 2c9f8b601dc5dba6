// Package payload holds what stands around the stamp in a publication: the
// padding, or a JSON object as interfaces exchange them.
//
// The stamp itself, and what becomes of it, are package stamp's.
package payload

import (
	"fmt"
	"math/rand/v2"

	"fanbench/loadgen/internal/stamp"
	"fanbench/loadgen/scenario"
)

// New returns a payload of size bytes, and where in it the stamp belongs: a
// stamp written there covers all that follows it. The same arguments give the
// same bytes in every process, the stamp's own place aside. It panics if size is less than
// [scenario.MinSize], for JSON than [scenario.MinJSONSize].
func New(kind scenario.Payload, size int) (message []byte, at int) {
	if kind == scenario.JSON {
		return object(size)
	}
	message = make([]byte, size)
	stamp.Padding(message[stamp.Size:])
	return message, 0
}

// Before is what stands before the stamp in a payload of that kind, where no
// checksum of the stamp's covers it.
func Before(kind scenario.Payload) []byte {
	if kind == scenario.JSON {
		return []byte(opening)
	}
	return nil
}

// The object's members: the stamp, a list with as many entries as fit, and a
// note that takes up the rest.
const (
	opening = `{"id":"`
	list    = `","type":"prices","entries":[`
	note    = `],"note":"`
	closing = `"}`
)

func object(size int) (message []byte, at int) {
	source := rand.New(rand.NewPCG(1, 2))
	message = append(message, opening...)
	at = len(message)
	message = append(message, make([]byte, stamp.Size)...)
	message = append(message, list...)
	first := len(message)
	for {
		item := entry(source)
		if len(message) > first {
			item = "," + item
		}
		if len(message)+len(item)+len(note)+len(closing) > size {
			break
		}
		message = append(message, item...)
	}
	message = append(message, note...)
	for end := size - len(closing); len(message) < end; {
		word := words[source.IntN(len(words))] + " "
		message = append(message, word[:min(len(word), end-len(message))]...)
	}
	return append(message, closing...), at
}

// entry is one of the list, about a hundred bytes.
func entry(source *rand.Rand) string {
	return fmt.Sprintf(`{"id":%d,"symbol":"%s","price":%d.%02d,"change":%.2f,"volume":%d,"at":"2026-01-%02dT%02d:%02d:%02d.%03dZ"}`,
		10_000+source.IntN(90_000), symbols[source.IntN(len(symbols))], source.IntN(900), source.IntN(100),
		source.Float64()*4-2, 100*source.IntN(5000),
		1+source.IntN(28), source.IntN(24), source.IntN(60), source.IntN(60), source.IntN(1000))
}

var (
	symbols = [...]string{"ALDER", "BIRCH", "CEDAR", "ELM", "HAZEL", "LARCH", "MAPLE", "OAK", "ROWAN", "WILLOW"}
	words   = [...]string{"after", "and", "at", "before", "closing", "day", "for", "from", "in", "market", "of", "opened",
		"price", "quiet", "rose", "session", "the", "trade", "was", "with"}
)
