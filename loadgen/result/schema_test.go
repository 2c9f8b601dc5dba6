package result

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"fanbench/loadgen/result/schema"
	"fanbench/loadgen/result/schema/schematest"
)

// The schema and the Go types describe the same documents.
func TestSchemaAndTypesAgree(t *testing.T) {
	schematest.Agree(t, Schema, reflect.TypeFor[Result]())
}

func TestDocumentsMatchTheSchema(t *testing.T) {
	for name, r := range map[string]*Result{"sample": sample(t), "refused": silent(), "interrupted": {Verdict: Verdict{Verdict: "invalid", Limit: "none", Interrupted: true}, Scenario: silent().Scenario}} {
		b, err := Encode(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Check(Schema, b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Each change of a good document is one problem, and its place is named.
func TestTheSchemaRefuses(t *testing.T) {
	b, err := Encode(sample(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		change  func(d map[string]any)
		pointer string
	}{
		{"another version", func(d map[string]any) { d["schema_version"] = 2.0 }, "/schema_version"},
		{"a missing field", func(d map[string]any) { delete(d, "ledger") }, ""},
		{"null for a list", func(d map[string]any) { d["failures"] = nil }, "/failures"},
		{"an unknown verdict", func(d map[string]any) { d["verdict"].(map[string]any)["verdict"] = "fine" }, "/verdict/verdict"},
		{"a negative count", func(d map[string]any) { d["ledger"].(map[string]any)["lost"] = -1.0 }, "/ledger/lost"},
		{"half a delivery", func(d map[string]any) { d["ledger"].(map[string]any)["delivered"] = 0.5 }, "/ledger/delivered"},
		{"a metric as text", func(d map[string]any) { d["metrics"].(map[string]any)["x"] = "fast" }, "/metrics/x"},
		{"a role that there is not", func(d map[string]any) {
			d["design"] = map[string]any{"group_id": "g", "block": 1, "position": 1, "arm": "a", "role": "third"}
		}, "/design/role"},
		{"a pair counted from 0", func(d map[string]any) {
			d["design"] = map[string]any{"group_id": "g", "block": 0, "position": 1, "arm": "a"}
		}, "/design/block"},
	} {
		document := decoded(t, b).(map[string]any)
		c.change(document)
		changed, err := json.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		var problems schema.Error
		if err := schema.Check(Schema, changed); !errors.As(err, &problems) || len(problems) != 1 || problems[0].Pointer != c.pointer {
			t.Errorf("%s: %v, want one problem at %q", c.name, err, c.pointer)
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
