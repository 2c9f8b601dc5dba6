// Package schema checks JSON documents against the JSON Schemas (draft 2020-12)
// that are committed with the project, and says what is wrong where: as a JSON
// pointer (RFC 6901) and as the offset in the file.
//
// What the documents mean is for the packages that write them.
package schema

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// Problem is one value that does not fit.
type Problem struct {
	Pointer string // to the value, "" for the whole document
	Offset  int64  // of the value's first byte
	Text    string
}

func (p Problem) String() string {
	return fmt.Sprintf("%s at byte %d: %s", cmp.Or(p.Pointer, "the document"), p.Offset, p.Text)
}

// Error is every [Problem] of a document, in its order.
type Error []Problem

func (e Error) Error() string {
	texts := make([]string, len(e))
	for i, p := range e {
		texts[i] = p.String()
	}
	return strings.Join(texts, "; ")
}

// Check says whether a document fits a schema; if not, its error is an [Error].
func Check(schema, document []byte) error {
	compiled, err := compile(schema)
	if err != nil {
		return fmt.Errorf("read schema: %w", err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return fmt.Errorf("read document: %w", err)
	}
	var invalid *jsonschema.ValidationError
	if err := compiled.Validate(value); errors.As(err, &invalid) {
		all := problems(document, invalid)
		slices.SortFunc(all, func(a, b Problem) int { return cmp.Or(cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Text, b.Text)) })
		return all
	} else if err != nil {
		return err
	}
	return nil
}

func compile(schema []byte) (*jsonschema.Schema, error) {
	const name = "schema.json"
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(name, value); err != nil {
		return nil, err
	}
	return compiler.Compile(name)
}

// problems are the leaves of the tree of errors, whose branches only say that
// something below them is wrong.
func problems(document []byte, e *jsonschema.ValidationError) Error {
	if len(e.Causes) == 0 {
		return Error{{
			Pointer: pointer(e.InstanceLocation), Offset: offset(document, e.InstanceLocation), Text: e.ErrorKind.LocalizedString(english),
		}}
	}
	var all Error
	for _, cause := range e.Causes {
		all = append(all, problems(document, cause)...)
	}
	return all
}

var english = message.NewPrinter(language.English)

// pointer writes a path as RFC 6901 does.
func pointer(path []string) string {
	var p strings.Builder
	for _, part := range path {
		p.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(part))
	}
	return p.String()
}

// offset finds the value at a path in a document that has it.
func offset(document []byte, path []string) int64 {
	d := json.NewDecoder(bytes.NewReader(document))
	for _, part := range path {
		open, err := d.Token()
		if err != nil {
			return 0
		}
		for i := 0; d.More(); i++ {
			at := strconv.Itoa(i)
			if open == json.Delim('{') {
				if name, err := d.Token(); err == nil {
					at, _ = name.(string)
				}
			}
			var skipped json.RawMessage
			if at == part {
				break
			} else if d.Decode(&skipped) != nil {
				return 0
			}
		}
	}
	before := d.InputOffset()
	return before + int64(len(document[before:])-len(bytes.TrimLeft(document[before:], " \t\r\n:,")))
}
