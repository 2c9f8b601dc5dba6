package result

import _ "embed"

// Schema is the JSON Schema (draft 2020-12) of what [Write] writes.
//
//go:embed schema.json
var Schema []byte

// What a search for the capacity is called in its folder, and what kind of
// document it is.
const (
	CapacityFileName = "capacity.json"
	CapacityKind     = "capacity"
)

// CapacitySchema is the JSON Schema of what a search for the capacity leaves
// behind (loadgen run --find), beside its runs.
//
//go:embed capacity.schema.json
var CapacitySchema []byte
