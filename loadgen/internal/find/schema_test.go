package find

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"fanbench/loadgen/result"
	"fanbench/loadgen/result/schema"
	"fanbench/loadgen/result/schema/schematest"
	"fanbench/loadgen/scenario"
)

func TestSchemaAndTypesAgree(t *testing.T) {
	schematest.Agree(t, result.CapacitySchema, reflect.TypeFor[Capacity]())
}

// searched is a search that has everything.
func searched(t *testing.T) *Capacity {
	t.Helper()
	asked, err := scenario.New(scenario.Set("rate", "10/s", "test"))
	if err != nil {
		t.Fatal(err)
	}
	return &Capacity{
		ID: "20260102T030405Z-find-rate", Started: time.Unix(1767323045, 0).UTC(), URL: "ws://127.0.0.1:9001",
		Tool: result.Tool{Name: "loadgen", Version: "1", Go: "go1"}, Environment: result.Environment{Key: "k", Factors: map[string]string{}, Detail: map[string]string{}},
		Scenario: asked, Seed: 1, Axis: "rate", Unit: "publications/s", From: 10, To: 1e6, Repeat: 3,
		Answer: Answer{State: Found, Lower: new(93.5), Upper: new(107.0), HalfWidth: new(0.067)},
		Knee:   &Knee{Load: new(80.0), Next: new(100.0)}, Latency: "delivery.p99",
		Probes: []Probe{
			{Load: 80, Outcome: Held, Verdict: "valid", Limit: "none", RunID: "r", Folder: "probe-01",
				P50: &Quantile{Seconds: 0.001}, P99: &Quantile{Seconds: 0.004, Marked: true}, TargetCPUs: new(0.5), GeneratorCPUs: new(0.6)},
			{Load: 160, Outcome: Broke, Verdict: "valid", Limit: "server", Reason: "delivery.p99 < 50ms: 80 ms", P99: &Quantile{Seconds: 0.08}},
			{Load: 1e6, Outcome: Unfit, Reason: "too few descriptors"},
		},
	}
}

func TestDocumentsMatchTheSchema(t *testing.T) {
	for name, change := range map[string]func(c *Capacity){
		"found":             func(*Capacity) {},
		"above":             func(c *Capacity) { c.Answer, c.Knee = Answer{State: Above, Lower: new(1e6)}, &Knee{} },
		"below":             func(c *Capacity) { c.Answer, c.Knee = Answer{State: Below, Upper: new(10.0)}, nil },
		"generator-limited": func(c *Capacity) { c.Answer = Answer{State: Limited, Lower: new(80.0), Ceiling: new(1e6)} },
		"no probe at all":   func(c *Capacity) { c.Answer, c.Probes, c.Reason = Answer{State: Unfinished}, nil, "interrupted" },
		"a probe that says nothing": func(c *Capacity) {
			c.Answer, c.Reason = Answer{State: Unfinished}, "cannot be judged"
			c.Probes = append(c.Probes, Probe{Load: 5, Verdict: "invalid", Reason: "the target did not live to the end"})
		},
	} {
		c := searched(t)
		change(c)
		b, err := Encode(c)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Check(result.CapacitySchema, b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Each change of a good document is one problem, and its place is named.
func TestTheSchemaRefuses(t *testing.T) {
	b, err := Encode(searched(t))
	if err != nil {
		t.Fatal(err)
	}
	probe := func(d map[string]any, i int) map[string]any { return d["probes"].([]any)[i].(map[string]any) }
	for _, c := range []struct {
		name    string
		change  func(d map[string]any)
		pointer string
	}{
		{"a run", func(d map[string]any) { d["kind"] = "run" }, "/kind"},
		{"another version", func(d map[string]any) { d["schema_version"] = 2 }, "/schema_version"},
		{"a missing field", func(d map[string]any) { delete(d, "probes") }, ""},
		{"null for a list", func(d map[string]any) { d["probes"] = nil }, "/probes"},
		{"an axis that there is not", func(d map[string]any) { d["axis"] = "rooms" }, "/axis"},
		{"a state that there is not", func(d map[string]any) { d["state"] = "lost" }, "/state"},
		{"a load of 0", func(d map[string]any) { probe(d, 1)["load"] = 0 }, "/probes/1/load"},
		{"an outcome that there is not", func(d map[string]any) { probe(d, 0)["outcome"] = "maybe" }, "/probes/0/outcome"},
		{"a quantile as text", func(d map[string]any) { probe(d, 0)["p99"] = map[string]any{"seconds": "4ms"} }, "/probes/0/p99/seconds"},
		{"a knee as a number", func(d map[string]any) { d["knee"] = 80 }, "/knee"},
	} {
		var document map[string]any
		if err := json.Unmarshal(b, &document); err != nil {
			t.Fatal(err)
		}
		c.change(document)
		changed, err := json.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		var problems schema.Error
		if err := schema.Check(result.CapacitySchema, changed); !errors.As(err, &problems) || len(problems) != 1 || problems[0].Pointer != c.pointer {
			t.Errorf("%s: %v, want one problem at %q", c.name, err, c.pointer)
		}
	}
}
