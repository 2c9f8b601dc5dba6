package result

import (
	"fmt"
	"testing"
)

func TestFailuresAreAddedByBucket(t *testing.T) {
	var sum []Failure
	for _, step := range []struct {
		more []Failure
		want string
	}{
		{nil, "[]"},
		{[]Failure{{"reset", 1, "a"}, {"refused", 2, "b"}}, "[{refused 2 b} {reset 1 a}]"},
		{[]Failure{{"reset", 1, "c"}}, "[{refused 2 b} {reset 2 a}]"}, // a tie goes by name
		{[]Failure{{"closed", 2, "d"}}, "[{closed 2 d} {refused 2 b} {reset 2 a}]"},
		{[]Failure{{"reset", 1, "e"}, {"tls", 9, "f"}}, "[{tls 9 f} {reset 3 a} {closed 2 d} {refused 2 b}]"},
	} {
		if sum = AddFailures(sum, step.more...); fmt.Sprint(sum) != step.want {
			t.Errorf("%v, want %s", sum, step.want)
		}
	}
}
