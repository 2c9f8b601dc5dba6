package result

import _ "embed"

// Schema is the JSON Schema (draft 2020-12) of what [Write] writes.
//
//go:embed schema.json
var Schema []byte
