package conformance

import (
	"errors"
	"slices"
	"testing"
)

func TestSelection(t *testing.T) {
	for _, c := range []struct {
		text  string
		total int
		want  []int
	}{
		{"", 3, []int{1, 2, 3}},
		{"", 0, nil},
		{"2", 3, []int{2}},
		{"2-3", 3, []int{2, 3}},
		{"5, 1-2,2-3", 5, []int{1, 2, 3, 5}},
	} {
		s, err := ParseSelection(c.text)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		if got, err := s.Of(c.total); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q of %d: %v, %v, want %v", c.text, c.total, got, err, c.want)
		}
	}
	for _, text := range []string{"0", "-3", "3-2", "a", "1-", "1,,2", "1.2", "99999999999999999999"} {
		if s, err := ParseSelection(text); err == nil {
			t.Errorf("%q is %v", text, s)
		}
	}
	s, err := ParseSelection("2-4")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Of(3); !errors.Is(err, ErrSelection) {
		t.Errorf("beyond the last: %v", err)
	}
}
