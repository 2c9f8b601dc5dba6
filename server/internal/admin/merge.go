package admin

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"fanbench/server/internal/supervisor"
)

// workerLabel tells the processes apart: a worker's index, or "supervisor".
const workerLabel = "worker"

// merged gathers the supervisor's own metrics and those of every ready worker, each labelled with where it comes from.
type merged struct {
	own     prometheus.Gatherer
	workers func() []supervisor.Worker
	http    *http.Client
}

// Gather asks all workers at once. A worker that does not answer is an error beside the others' metrics.
func (m merged) Gather() ([]*dto.MetricFamily, error) {
	own, err := m.own.Gather()
	sum := families{}
	errs := []error{err, sum.add(own, "supervisor")}
	workers := m.workers()
	got := make([][]*dto.MetricFamily, len(workers))
	failed := make([]error, len(workers))
	var asked sync.WaitGroup
	for i, w := range workers {
		if w.Ready {
			asked.Go(func() { got[i], failed[i] = m.fetch(w.Admin) })
		}
	}
	asked.Wait()
	for i, w := range workers {
		index := strconv.Itoa(w.Index)
		if failed[i] != nil {
			errs = append(errs, fmt.Errorf("gather metrics of worker %s: %w", index, failed[i]))
		}
		errs = append(errs, sum.add(got[i], index))
	}
	return sum.sorted(), errors.Join(errs...)
}

func (m merged) fetch(addr string) ([]*dto.MetricFamily, error) {
	request, err := http.NewRequest(http.MethodGet, "http://"+addr+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", string(expfmt.NewFormat(expfmt.TypeProtoDelim)))
	answer, err := m.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, errors.New(answer.Status)
	}
	decoder := expfmt.NewDecoder(answer.Body, expfmt.ResponseFormat(answer.Header))
	var all []*dto.MetricFamily
	for {
		family := &dto.MetricFamily{}
		if err := decoder.Decode(family); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, family)
	}
}

// families are metric families by name.
type families map[string]*dto.MetricFamily

// add labels the metrics with the worker, unless they name one themselves, and files them.
func (f families) add(from []*dto.MetricFamily, worker string) error {
	for _, family := range from {
		for _, metric := range family.Metric {
			label(metric, worker)
		}
		name := family.GetName()
		known := f[name]
		if known == nil {
			f[name] = family
			continue
		}
		if known.GetType() != family.GetType() {
			return fmt.Errorf("merge metrics: %s is a %v in one process and a %v in another", name, known.GetType(), family.GetType())
		}
		known.Metric = append(known.Metric, family.Metric...)
	}
	return nil
}

func label(metric *dto.Metric, worker string) {
	for _, pair := range metric.Label {
		if pair.GetName() == workerLabel {
			return
		}
	}
	name := workerLabel
	metric.Label = append(metric.Label, &dto.LabelPair{Name: &name, Value: &worker})
	slices.SortFunc(metric.Label, func(a, b *dto.LabelPair) int { return cmp.Compare(a.GetName(), b.GetName()) })
}

func (f families) sorted() []*dto.MetricFamily {
	all := make([]*dto.MetricFamily, 0, len(f))
	for _, family := range f {
		all = append(all, family)
	}
	slices.SortFunc(all, func(a, b *dto.MetricFamily) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return all
}
