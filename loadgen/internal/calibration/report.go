package calibration

import (
	"fmt"
	"io"
	"text/tabwriter"

	"fanbench/loadgen/result"
)

// Report prints a calibration for people.
func Report(w io.Writer, c *Calibration) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "calibration %s of %s, environment %s\n\n", c.ID, c.Host, c.Environment.Key)
	fmt.Fprintln(t, "ceiling\t\tsetting")
	for _, one := range c.Ceilings {
		fmt.Fprintf(t, "%s\t%s\t%s\n", one.Name, one.Metric, one.Setting)
	}
	fmt.Fprintln(t, "\ninjected delay\tquantile\ttrue\tmeasured\toff by\texact stamps")
	for _, one := range c.Cases {
		name, exact := one.Name, fmt.Sprintf("%.2f %%", 100*one.ExactShare)
		for _, q := range one.Quantiles {
			mark := ""
			if !q.Within {
				mark = " *"
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s%s\t%s\n", name, q.Name, seconds(q.True), seconds(q.Measured), seconds(q.Measured-q.True), mark, exact)
			name, exact = "", ""
		}
	}
	if c.Trustworthy {
		fmt.Fprintf(t, "\ntrustworthy: every quantile is within %v %% or %v of the truth\n", 100*Share, Time)
	} else {
		fmt.Fprintln(t, "\nnot trustworthy:")
		for _, reason := range c.Reasons {
			fmt.Fprintf(t, "  %s\n", reason)
		}
	}
	return t.Flush()
}

func seconds(v float64) string { return result.Metric{Value: v, Unit: "seconds"}.String() }
