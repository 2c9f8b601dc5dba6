package scenario_test

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

func TestConditions(t *testing.T) {
	for text, want := range map[string]scenario.Condition{
		"delivery.p99 < 50ms":                   {Metric: "delivery.p99", Op: "<", Value: 0.05, Unit: scenario.Seconds},
		"cpu_pressure_share < 5%":               {Metric: "cpu_pressure_share", Op: "<", Value: 0.05, Unit: scenario.Number},
		"lost==0":                               {Metric: "lost", Op: "==", Unit: scenario.Number},
		"  recovery  <=  1m30s ":                {Metric: "recovery_seconds", Op: "<=", Value: 90, Unit: scenario.Seconds},
		"target.rss_per_connection < 2KiB":      {Metric: "target.rss_per_connection_bytes", Op: "<", Value: 2048, Unit: scenario.Bytes},
		"target.cpu_per_delivery_seconds < 5us": {Metric: "target.cpu_per_delivery_seconds", Op: "<", Value: 5e-6, Unit: scenario.Seconds},
		"deliveries_per_second >= 1e6 abort":    {Metric: "deliveries_per_second", Op: ">=", Value: 1e6, Unit: scenario.Number, Abort: true},
		"stamps.exact_share != 0.5 abort after 5s": {Metric: "stamps.exact_share", Op: "!=", Value: 0.5, Unit: scenario.Number,
			After: 5 * time.Second, Abort: true},
	} {
		var got, again scenario.Condition
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q: %+v, want %+v (%v)", text, got, want, err)
		}
		if err := again.UnmarshalText([]byte(got.String())); err != nil || again != got {
			t.Errorf("%q reads back as %+v (%v)", got, again, err)
		}
		if want := strings.HasPrefix(text, "target."); got.OfTarget() != want {
			t.Errorf("%q: of the target: %v", text, got.OfTarget())
		}
	}
}

func TestHolds(t *testing.T) {
	for _, row := range []struct {
		op                   string
		below, equals, above bool
	}{
		{"<", true, false, false}, {"<=", true, true, false}, {">", false, false, true},
		{">=", false, true, true}, {"==", false, true, false}, {"!=", true, false, true},
	} {
		c := scenario.Condition{Metric: "lost", Op: row.op, Value: 5, Unit: scenario.Number}
		if c.Holds(4) != row.below || c.Holds(5) != row.equals || c.Holds(6) != row.above {
			t.Errorf("%v holds %v, %v, %v for 4, 5, 6", c, c.Holds(4), c.Holds(5), c.Holds(6))
		}
	}
}

// Every number of the ledger and every quantile of a result can be a
// condition's: metrics.go has their names.
func TestAConditionCanBeOnAnythingInAResult(t *testing.T) {
	ledger := reflect.TypeFor[result.Ledger]()
	for i := range ledger.NumField() {
		if field := ledger.Field(i); field.Type.Kind() == reflect.Uint64 {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if err := new(scenario.Condition).UnmarshalText([]byte(name + " == 0")); err != nil {
				t.Error(err)
			}
		}
	}
	for _, q := range result.Quantiles {
		if err := new(scenario.Condition).UnmarshalText([]byte("delivery." + q.Name + " < 1s")); err != nil {
			t.Error(err)
		}
	}
}

// A scenario that was put together by hand is checked as strictly.
func TestValidateChecksWhatWasNotRead(t *testing.T) {
	for want, change := range map[string]func(*scenario.Scenario){
		`headers: X-A: the value "b\nc" holds a control character`: func(s *scenario.Scenario) { s.Headers = []scenario.Header{{Name: "X-A", Value: "b\nc"}} },
		`slo: "nothing < 0" is not a condition`:                    func(s *scenario.Scenario) { s.SLO = []scenario.Condition{{Metric: "nothing", Op: "<"}} },
		`silent.share: 200% is out of range`:                       func(s *scenario.Scenario) { s.Silent.Share = 2 },
		`membership: "" is out of range`:                           func(s *scenario.Scenario) { s.Membership = "" },
	} {
		s := scenario.Default()
		change(&s)
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// The pipeline's golden result has no metric that a condition cannot be on.
func TestAConditionCanBeOnEveryMetric(t *testing.T) {
	files, err := filepath.Glob("../internal/run/testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden result: %v", err)
	}
	for _, file := range files {
		r, err := result.Read(file)
		if err != nil {
			t.Fatal(err)
		}
		for name, m := range r.Metrics {
			value := map[string]string{"seconds": "1s", "bytes": "1B"}[m.Unit]
			if value == "" {
				value = "1"
			}
			if err := new(scenario.Condition).UnmarshalText([]byte(name + " < " + value)); err != nil {
				t.Errorf("%s: %v; add it to metrics.go", filepath.Base(file), err)
			}
		}
	}
}
