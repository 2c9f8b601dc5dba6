package schema_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"fanbench/loadgen/result/schema"
)

const counts = `{"type": "object", "required": ["a/b"], "properties": {
	"a/b": {"type": "array", "items": {"type": "integer", "minimum": 0}}, "name": {"enum": ["x", "y"]}}}`

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name, document string
		want           schema.Error // without texts; nil for one that fits
		text           string
	}{
		{"it fits", `{"a/b": [1, 2], "name": "x"}`, nil, ""},
		{"an item", `{"a/b": [1, -2, 3], "name": "x"}`, schema.Error{{Pointer: "/a~1b/1", Offset: 12}}, "minimum"},
		{"two values", "{\n \"name\" :\n \"z\", \"a/b\": [0.5]}", schema.Error{{Pointer: "/name", Offset: 13}, {Pointer: "/a~1b/0", Offset: 26}}, "; "},
		{"a member that is missing", `{"name": "x"}`, schema.Error{{Pointer: "", Offset: 0}}, "the document at byte 0: missing property"},
		{"another type", ` "text"`, schema.Error{{Pointer: "", Offset: 1}}, "got string, want object"},
	} {
		err := schema.Check([]byte(counts), []byte(c.document))
		if c.want == nil {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		var got schema.Error
		if !errors.As(err, &got) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v, want %q", c.name, err, c.text)
		}
		for i := range got {
			got[i].Text = ""
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: problems at %v, want %v", c.name, got, c.want)
		}
	}
	for _, c := range []struct{ schema, document, says string }{
		{counts, `{"a/b": [`, "read document"},
		{`{"type": 7}`, `{}`, "read schema"},
	} {
		if err := schema.Check([]byte(c.schema), []byte(c.document)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s against %s: %v, want %q", c.document, c.schema, err, c.says)
		}
	}
}
