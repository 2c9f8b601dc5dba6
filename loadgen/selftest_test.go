package main

import (
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"fanbench/loadgen/internal/nulltarget"
	"fanbench/loadgen/internal/perturb"
	"fanbench/loadgen/result"
)

// The ledger reports exactly the faults that were committed, of every kind at
// once.
func TestSelfTest(t *testing.T) {
	for _, k := range []int{0, 1, 100} {
		t.Run(fmt.Sprintf("%d of each kind", k), func(t *testing.T) {
			t.Parallel()
			status, out, problem := loadgen("selftest", "--connections", "200", "--faults", strconv.Itoa(k), "--seed", strconv.Itoa(k))
			if status != exitFine {
				t.Fatalf("exit status %d, standard error\n%s\noutput\n%s", status, problem, out)
			}
			rows := regexp.MustCompile(`(?m)^(\w+) +(\d+) +(\d+) +(-?\d+) `).FindAllStringSubmatch(out, -1)
			var kinds []string
			for _, row := range rows {
				kinds = append(kinds, row[1])
				for _, n := range row[2:] {
					if n != strconv.Itoa(k) {
						t.Errorf("%q, want %d everywhere", row[0], k)
					}
				}
			}
			if got := strings.Join(kinds, " "); got != "drop double swap corrupt misroute" {
				t.Errorf("rows of %s", got)
			}
		})
	}
}

// A difference of one anywhere is seen.
func TestEnterSeesEveryDifference(t *testing.T) {
	fine := func() against {
		return against{
			result: &result.Result{Ledger: result.Ledger{Planned: 9, Sent: 9, Expected: 90, Delivered: 86, Lost: 4, LostUp: 4,
				Duplicated: 2, Reordered: 2, Corrupt: 2, Misrouted: 2, GapsAgree: true}},
			report: nulltarget.Report{Committed: perturb.Counts{2, 2, 2, 2, 2}},
		}
	}
	if !enter(io.Discard, 2, fine()) {
		t.Error("an account that agrees does not")
	}
	for name, change := range map[string]func(*against){
		"lost":       func(a *against) { a.result.Ledger.Lost, a.result.Ledger.LostUp, a.result.Ledger.Delivered = 5, 5, 85 },
		"duplicated": func(a *against) { a.result.Ledger.Duplicated = 1 },
		"reordered":  func(a *against) { a.result.Ledger.Reordered = 3 },
		"corrupt":    func(a *against) { a.result.Ledger.Corrupt = 1 },
		"misrouted":  func(a *against) { a.result.Ledger.Misrouted = 3 },
		"committed":  func(a *against) { a.report.Committed[perturb.Swap] = 1 },
		"unsound":    func(a *against) { a.result.Ledger.GapsAgree = false },
	} {
		a := fine()
		change(&a)
		if enter(io.Discard, 2, a) {
			t.Errorf("%s: a difference goes unseen", name)
		}
	}
}

// Whatever else is wrong with an account is said.
func TestUnsoundAccounts(t *testing.T) {
	fine := result.Ledger{Planned: 2, Sent: 2, Expected: 10, Delivered: 8, Lost: 2, LostUp: 2, GapsAgree: true}
	if problems := unsound(&result.Result{Ledger: fine}); len(problems) != 0 {
		t.Errorf("of a sound one: %q", problems)
	}
	for name, change := range map[string]func(*result.Result){
		"unsent":      func(r *result.Result) { r.Ledger.Sent = 1 },
		"unbalanced":  func(r *result.Result) { r.Ledger.Lost = 3 },
		"excluded":    func(r *result.Result) { r.Ledger.Excluded, r.Ledger.Delivered = 1, 7 },
		"two counts":  func(r *result.Result) { r.Ledger.GapsAgree = false },
		"lost down":   func(r *result.Result) { r.Ledger.LostDown = 1 },
		"unknown":     func(r *result.Result) { r.Ledger.Unknown = 1 },
		"connections": func(r *result.Result) { r.Failures = []result.Failure{{Bucket: "closed", Count: 1}} },
	} {
		r := &result.Result{Ledger: fine}
		change(r)
		if problems := unsound(r); len(problems) != 1 {
			t.Errorf("%s: %q, want one problem", name, problems)
		}
	}
}
