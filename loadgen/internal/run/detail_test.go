package run

import (
	"testing"

	"fanbench/loadgen/result"
)

// TestDetail: what workers say of the machine stands once for all that agree,
// and never in the environment that the caller handed in.
func TestDetail(t *testing.T) {
	for _, row := range []struct {
		name string
		said []string
		want string
	}{
		{"nobody", []string{"", ""}, ""},
		{"one", []string{"SCHED_FIFO"}, "SCHED_FIFO"},
		{"all the same", []string{"nice -20", "nice -20", "nice -20"}, "nice -20"},
		{"one differs", []string{"SCHED_FIFO", "nice -20", "SCHED_FIFO"}, "SCHED_FIFO; nice -20"},
	} {
		given := map[string]string{"governor": "performance"}
		c := &conductor{result: &result.Result{Environment: result.Environment{Detail: given}}}
		for _, value := range row.said {
			c.detail("sender_scheduling", value)
		}
		if got := c.result.Environment.Detail["sender_scheduling"]; got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
		if len(given) != 1 || c.result.Environment.Detail["governor"] != "performance" {
			t.Errorf("%s: handed in %v, now %v", row.name, given, c.result.Environment.Detail)
		}
	}
}
