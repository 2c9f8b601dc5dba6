package conformance

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"unicode/utf8"
)

// Compressed are the cases of sections 12 and 13, permessage-deflate (RFC 7692): 12 varies what the messages are, 13 what is
// agreed on; both vary sizes, counts and fragments.
func Compressed() (cases []Case) {
	for i, m := range materials() {
		cases = append(cases, sizes(fmt.Sprintf("12.%d", i+1), m.name, m, &Terms{ClientBits: AnyBits})...)
	}
	json := materials()[0]
	for i, terms := range []*Terms{
		{},
		{ServerNoContext: true, ClientNoContext: true},
		{ServerBits: 9, ClientBits: 9},
		{ServerBits: 15, ClientBits: 15},
		{ServerNoContext: true, ServerBits: 9, ClientNoContext: true, ClientBits: 9},
		{ServerNoContext: true, ServerBits: 15, ClientNoContext: true, ClientBits: 15},
		{ServerNoContext: true, ServerBits: 10, ClientBits: 12, Or: &Terms{ServerNoContext: true, Or: new(Terms)}},
	} {
		cases = append(cases, sizes(fmt.Sprintf("13.%d", i+1), terms.String(), json, terms)...)
	}
	return cases
}

// A material is what messages are made of.
type material struct {
	name string
	op   byte
	base []byte
}

const (
	longestMessage = 128 << 10 // bytes
	bytesInACase   = 128 << 10 // about, over all its messages
	mostMessages   = 100
)

// sizes are the cases of one material and one offer: ten sizes in single frames, and eight in fragments. The smaller the messages
// are, the more there are of them.
func sizes(section, what string, m material, terms *Terms) (cases []Case) {
	type shape struct{ size, fragment int }
	var shapes []shape
	for _, size := range []int{16, 64, 256, 1 << 10, 4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10, 128 << 10} {
		shapes = append(shapes, shape{size, 0})
	}
	for _, size := range []int{8 << 10, 16 << 10, 32 << 10, 64 << 10, 128 << 10} {
		shapes = append(shapes, shape{size, 256})
	}
	for _, fragment := range []int{1 << 10, 4 << 10, 32 << 10} {
		shapes = append(shapes, shape{longestMessage, fragment})
	}
	for i, s := range shapes {
		count := min(mostMessages, max(2, bytesInACase/s.size))
		var sends []Step
		var wants []Message
		for k := range count {
			payload := m.part(k*s.size/3, s.size)
			sends = append(sends, Message{Op: m.op, Payload: payload, Frames: s.fragment, Deflate: true})
			wants = append(wants, Message{Op: m.op, Payload: payload})
		}
		name := fmt.Sprintf("%s: %d messages of %d bytes", what, count, s.size)
		if s.fragment > 0 {
			name += fmt.Sprintf(", in fragments of %d", s.fragment)
		}
		c := orderly(fmt.Sprintf("%s.%d", section, i+1), name, ByFrame, sends, wants)
		c.Terms = terms
		cases = append(cases, c)
	}
	return cases
}

// part is a piece of the material, of size bytes, or a little less so that no code point is cut.
func (m material) part(from, size int) []byte {
	from %= len(m.base) - longestMessage
	b := m.base[from : from+size : from+size]
	if m.op == opBinary {
		return b
	}
	for !utf8.RuneStart(b[0]) {
		b = b[1:]
	}
	for end := len(b); !utf8.Valid(b); end-- {
		b = b[: end-1 : end-1]
	}
	return b
}

var materials = sync.OnceValue(func() []material {
	const size = 2 * longestMessage
	random := rand.New(rand.NewPCG(7692, 0))
	noise := make([]byte, size)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	words := strings.Fields("the of fan out room delivery publication größe straße περί слово 言葉 queue subscriber connection message and to a in is")
	var prose, json strings.Builder
	for i := 0; json.Len() < size; i++ {
		fmt.Fprintf(&json, `{"id":%d,"room":"r%d","name":%q,"price":%.3f,"tags":["a","b"],"ok":%t},`,
			i, random.IntN(50), words[random.IntN(len(words))], random.Float64()*1000, i%3 == 0)
	}
	for prose.Len() < size {
		prose.WriteString(words[random.IntN(len(words))] + []string{" ", " ", ", ", ".\n"}[random.IntN(4)])
	}
	sparse := make([]byte, size)
	for range size / 50 {
		sparse[random.IntN(size)] = byte(random.Uint32())
	}
	return []material{
		{"JSON", opText, []byte(json.String())},
		{"noise", opBinary, noise},
		{"prose in several scripts", opText, []byte(prose.String())},
		{"mostly zeros", opBinary, sparse},
		{"one letter", opText, bytes.Repeat([]byte("*"), size)},
	}
})
