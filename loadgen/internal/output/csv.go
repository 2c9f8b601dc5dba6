package output

import (
	"bytes"
	"encoding/csv"
	"path/filepath"
	"strconv"
	"strings"

	"fanbench/loadgen/result"
)

// Names of the CSV files in a run's folder.
const (
	SeriesName    = "series.csv"
	QuantilesName = "quantiles.csv"
)

// untrusted stands before the name of a column that a guard voided, so that
// nobody reads it by mistake.
const untrusted = "untrusted."

// WriteCSV writes the series and the quantiles of every histogram of a result
// into its folder.
func WriteCSV(dir string, r *result.Result) error {
	quantiles, err := quantileTable(r)
	if err != nil {
		return err
	}
	for _, file := range []struct {
		name string
		rows [][]string
	}{{SeriesName, seriesTable(r)}, {QuantilesName, quantiles}} {
		var b bytes.Buffer
		w := csv.NewWriter(&b)
		if err := w.WriteAll(file.rows); err != nil {
			return err
		}
		if err := result.Replace(filepath.Join(dir, file.name), b.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// seriesTable has the series' columns; a missing reading is empty.
func seriesTable(r *result.Result) [][]string {
	head := make([]string, len(r.Series.Columns))
	for i, column := range r.Series.Columns {
		head[i] = column
		if voided(r, columnMetric(column)) {
			head[i] = untrusted + column
		}
	}
	table := [][]string{head}
	for _, row := range r.Series.Rows {
		line := make([]string, len(row))
		for i, value := range row {
			if value != nil {
				line[i] = decimal(*value)
			}
		}
		table = append(table, line)
	}
	return table
}

// columnMetric is the metric that a column of the series shows second by second:
// delivery.p99 of delivery_p99_seconds.
func columnMetric(column string) string {
	for _, q := range result.Quantiles {
		if group, found := strings.CutSuffix(column, "_"+q.Name+"_seconds"); found {
			return group + "." + q.Name
		}
	}
	for _, owner := range []string{"target", "generator"} {
		if rest, found := strings.CutPrefix(column, owner+"_"); found {
			return owner + "." + rest
		}
	}
	return column
}

// quantiles of the table; 0 and 1 are the shortest and the longest record.
var quantiles = [...]float64{0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999, 0.99999, 1}

// quantileTable has one line for each quantile of each histogram. The last three
// columns say how far it can be trusted: by how many independent publications it
// is carried (empty if that does not matter), whether those are too few, and
// whether a guard voided it.
func quantileTable(r *result.Result) ([][]string, error) {
	table := [][]string{{"histogram", "quantile", "value_seconds", "count", "publications", "marked", "untrusted"}}
	for _, encoded := range r.Histograms {
		h, err := encoded.Decode()
		if err != nil {
			return nil, err
		}
		group := result.MetricGroup(encoded.Name)
		longest, _, _ := r.Metric(group + ".max")
		behind := longest.Publications
		for _, q := range quantiles {
			if h.Count() == 0 {
				break
			}
			publications := ""
			if behind > 0 {
				publications = strconv.FormatUint(behind, 10)
			}
			table = append(table, []string{encoded.Name, decimal(q), decimal(h.Quantile(q).Seconds()), strconv.FormatInt(h.Count(), 10),
				publications, strconv.FormatBool(behind > 0 && !result.Enough(behind, q)), strconv.FormatBool(voided(r, group+".max"))})
		}
	}
	return table, nil
}

// decimal writes a number without an exponent and without loss.
func decimal(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
