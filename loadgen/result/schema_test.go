package result

import (
	"encoding"
	"encoding/json"
	"fmt"
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
	Enum       []any            `json:"enum"`
	Minimum    *float64         `json:"minimum"`
	Required   []string         `json:"required"`
	Properties map[string]*node `json:"properties"`
	Additional *node            `json:"additionalProperties"`
	Items      *node            `json:"items"`
	Defs       map[string]*node `json:"$defs"`
}

// schema is the embedded one with its references followed.
func schema(t *testing.T) *node {
	t.Helper()
	var root node
	if err := json.Unmarshal(Schema, &root); err != nil {
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

// The schema and the Go types describe the same documents.
func TestSchemaAndTypesAgree(t *testing.T) {
	describes(t, "result", schema(t), reflect.TypeFor[Result]())
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
		var fields, required []string
		for i := range typ.NumField() {
			name, options, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			fields = append(fields, name)
			if options != "omitempty" && options != "omitzero" {
				required = append(required, name)
			}
			if p := n.Properties[name]; p != nil {
				describes(t, path+"."+name, p, typ.Field(i).Type)
			}
		}
		if got := slices.Sorted(maps.Keys(n.Properties)); !slices.Equal(got, slices.Sorted(slices.Values(fields))) {
			t.Errorf("%s has the properties %v in the schema, %v in Go", path, got, fields)
		}
		if !slices.Equal(slices.Sorted(slices.Values(n.Required)), slices.Sorted(slices.Values(required))) {
			t.Errorf("%s requires %v in the schema, %v in Go", path, n.Required, required)
		}
	}
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

func TestDocumentsMatchTheSchema(t *testing.T) {
	root := schema(t)
	for name, r := range map[string]*Result{"sample": sample(t), "refused": silent(), "interrupted": {Verdict: Verdict{Verdict: "invalid", Limit: "none", Interrupted: true}, Scenario: silent().Scenario}} {
		b, err := Encode(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, problem := range validate(name, root, decoded(t, b)) {
			t.Error(problem)
		}
	}
}

// The validator of this test finds what it should: each change of a good
// document is one problem.
func TestTheSchemaRefuses(t *testing.T) {
	root := schema(t)
	b, err := Encode(sample(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(d map[string]any){
		"another version":    func(d map[string]any) { d["schema_version"] = 2.0 },
		"a missing field":    func(d map[string]any) { delete(d, "ledger") },
		"null for a list":    func(d map[string]any) { d["failures"] = nil },
		"an unknown verdict": func(d map[string]any) { d["verdict"].(map[string]any)["verdict"] = "fine" },
		"a negative count":   func(d map[string]any) { d["ledger"].(map[string]any)["lost"] = -1.0 },
		"half a delivery":    func(d map[string]any) { d["ledger"].(map[string]any)["delivered"] = 0.5 },
		"a metric as text":   func(d map[string]any) { d["metrics"].(map[string]any)["x"] = "fast" },
	} {
		document := decoded(t, b).(map[string]any)
		change(document)
		if problems := validate(name, root, document); len(problems) != 1 {
			t.Errorf("%s: %d problems %v, want 1", name, len(problems), problems)
		}
	}
}

func decoded(t *testing.T, b []byte) any {
	t.Helper()
	var document any
	if err := json.Unmarshal(b, &document); err != nil {
		t.Fatal(err)
	}
	return document
}

// validate checks a document against the keywords that this schema uses.
func validate(path string, n *node, v any) (problems []string) {
	problem := func(format string, args ...any) {
		problems = append(problems, path+": "+fmt.Sprintf(format, args...))
	}
	if n.Const != nil {
		if v != n.Const {
			problem("%v, want %v", v, n.Const)
		}
		return problems
	}
	types, ok := n.Type.([]any)
	if !ok {
		types = []any{n.Type}
	}
	if !slices.ContainsFunc(types, func(name any) bool { return isType(v, name) }) {
		problem("%v is not %v", v, n.Type)
		return problems
	}
	if n.Enum != nil && !slices.Contains(n.Enum, v) {
		problem("%v is none of %v", v, n.Enum)
	}
	switch v := v.(type) {
	case float64:
		if n.Minimum != nil && v < *n.Minimum {
			problem("%v is below %v", v, *n.Minimum)
		}
	case []any:
		for i, item := range v {
			problems = append(problems, validate(fmt.Sprintf("%s[%d]", path, i), n.Items, item)...)
		}
	case map[string]any:
		for _, name := range n.Required {
			if _, present := v[name]; !present {
				problem("%s is missing", name)
			}
		}
		for name, value := range v {
			if p := n.Properties[name]; p != nil {
				problems = append(problems, validate(path+"."+name, p, value)...)
			} else if n.Additional != nil {
				problems = append(problems, validate(path+"."+name, n.Additional, value)...)
			}
		}
	}
	return problems
}

func isType(v, name any) bool {
	switch v := v.(type) {
	case nil:
		return name == "null"
	case bool:
		return name == "boolean"
	case string:
		return name == "string"
	case float64:
		return name == "number" || name == "integer" && v == float64(int64(v))
	case []any:
		return name == "array"
	default:
		return name == "object"
	}
}
