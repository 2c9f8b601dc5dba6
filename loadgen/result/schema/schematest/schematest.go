// Package schematest keeps a JSON Schema and the Go type that its documents are
// written from in step. It is for tests only.
package schematest

import (
	"encoding"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// node is a part of the schema, with the keywords that it uses.
type node struct {
	Ref        string           `json:"$ref"`
	Type       any              `json:"type"` // a name, or a list of them
	Const      any              `json:"const"`
	Required   []string         `json:"required"`
	Properties map[string]*node `json:"properties"`
	Additional *node            `json:"additionalProperties"`
	Items      *node            `json:"items"`
	Defs       map[string]*node `json:"$defs"`
}

// Agree reports whatever the schema and the type that documents are written
// from say differently: names, types, which fields may be absent.
func Agree(t *testing.T, schema []byte, typ reflect.Type) {
	t.Helper()
	describes(t, typ.Name(), follow(t, schema), typ)
}

// follow reads a schema and follows its references, which all have to be used.
func follow(t *testing.T, schema []byte) *node {
	t.Helper()
	var root node
	if err := json.Unmarshal(schema, &root); err != nil {
		t.Fatal(err)
	}
	used := make(map[string]bool)
	var follow func(n *node) *node
	follow = func(n *node) *node {
		if n == nil {
			return nil
		}
		if n.Ref != "" {
			name := strings.TrimPrefix(n.Ref, "#/$defs/")
			if root.Defs[name] == nil {
				t.Fatalf("the schema refers to %s, which it lacks", n.Ref)
			}
			used[name] = true
			return follow(root.Defs[name])
		}
		for name, p := range n.Properties {
			n.Properties[name] = follow(p)
		}
		n.Additional, n.Items = follow(n.Additional), follow(n.Items)
		return n
	}
	follow(&root)
	if len(used) != len(root.Defs) {
		t.Errorf("the schema defines %d parts and uses %d", len(root.Defs), len(used))
	}
	return &root
}

func describes(t *testing.T, path string, n *node, typ reflect.Type) {
	t.Helper()
	if n.Const != nil {
		return
	}
	want, nullable := jsonType(typ)
	if nullable && n.Type != want {
		if list, ok := n.Type.([]any); !ok || !slices.Contains(list, any(want)) || !slices.Contains(list, any("null")) {
			t.Errorf("%s is %v in the schema, want %s or null", path, n.Type, want)
		}
	} else if n.Type != want {
		t.Errorf("%s is %v in the schema, %s in Go", path, n.Type, want)
		return
	}
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	switch {
	case want == "array":
		describes(t, path+"[]", n.Items, typ.Elem())
	case want == "object" && typ.Kind() == reflect.Map:
		describes(t, path+".*", n.Additional, typ.Elem())
	case want == "object":
		var names, required []string
		for _, f := range fields(typ) {
			names = append(names, f.name)
			if !f.optional {
				required = append(required, f.name)
			}
			if p := n.Properties[f.name]; p != nil {
				describes(t, path+"."+f.name, p, f.typ)
			}
		}
		if got := slices.Sorted(maps.Keys(n.Properties)); !slices.Equal(got, slices.Sorted(slices.Values(names))) {
			t.Errorf("%s has the properties %v in the schema, %v in Go", path, got, names)
		}
		if !slices.Equal(slices.Sorted(slices.Values(n.Required)), slices.Sorted(slices.Values(required))) {
			t.Errorf("%s requires %v in the schema, %v in Go", path, n.Required, required)
		}
	}
}

// field is one that a struct is written with.
type field struct {
	name     string
	optional bool
	typ      reflect.Type
}

// fields are a struct's, with those that it embeds in place.
func fields(typ reflect.Type) (all []field) {
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported():
		case f.Anonymous && name == "":
			all = append(all, fields(f.Type)...)
		default:
			all = append(all, field{name, options == "omitempty" || options == "omitzero", f.Type})
		}
	}
	return all
}

// jsonType is what a Go type's zero value becomes, and whether it may be null.
func jsonType(typ reflect.Type) (name string, nullable bool) {
	if typ.Kind() == reflect.Pointer {
		name, _ = jsonType(typ.Elem())
		return name, true
	}
	if typ.Implements(reflect.TypeFor[json.Marshaler]()) {
		b, _ := json.Marshal(reflect.Zero(typ).Interface())
		if b[0] == '"' {
			return "string", false
		}
		if typ.Kind() == reflect.Int64 {
			return "integer", false
		}
		return "number", false
	}
	if typ.Implements(reflect.TypeFor[encoding.TextMarshaler]()) {
		return "string", false
	}
	switch typ.Kind() {
	case reflect.String:
		return "string", false
	case reflect.Bool:
		return "boolean", false
	case reflect.Float64:
		return "number", false
	case reflect.Slice:
		return "array", false
	case reflect.Map, reflect.Struct:
		return "object", false
	default:
		return "integer", false
	}
}
