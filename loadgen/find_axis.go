package main

import (
	"errors"
	"fmt"
	"strconv"

	"fanbench/loadgen/scenario"
)

// axis is what a search varies.
type axis struct {
	name, unit string
	flag       func(*runCommand) *string // that sets it
	of         func(scenario.Scenario) float64
	parse      func(text string) (float64, error)
	format     func(load float64) string // as the flag is written
	most       float64                   // the largest load that a scenario may have
	whole      bool
}

// axes by the value of --find.
var axes = []axis{
	{
		name: "connections", unit: "connections", whole: true, most: scenario.MaxConnections,
		flag: func(c *runCommand) *string { return &c.Connections },
		of:   func(s scenario.Scenario) float64 { return float64(s.Connections) },
		parse: func(text string) (float64, error) {
			n, err := strconv.Atoi(text)
			if err != nil {
				return 0, errors.New("want a whole number")
			}
			return float64(n), nil
		},
		format: func(load float64) string { return strconv.Itoa(int(load)) },
	},
	{
		name: "rate", unit: "publications/s", most: 1e9,
		flag: func(c *runCommand) *string { return &c.Rate },
		of:   func(s scenario.Scenario) float64 { return float64(s.Rate) },
		parse: func(text string) (float64, error) {
			var r scenario.Rate
			err := r.UnmarshalText([]byte(text))
			return float64(r), err
		},
		format: func(load float64) string { return scenario.Rate(load).String() },
	},
	{
		name: "size", unit: "bytes", whole: true, most: float64(scenario.MaxSize),
		flag: func(c *runCommand) *string { return &c.Size },
		of:   func(s scenario.Scenario) float64 { return float64(s.Size) },
		parse: func(text string) (float64, error) {
			var n scenario.Size
			err := n.UnmarshalText([]byte(text))
			return float64(n), err
		},
		format: func(load float64) string { return scenario.Size(load).String() },
	},
}

func axisOf(name string) (axis, error) {
	for _, a := range axes {
		if a.name == name {
			return a, nil
		}
	}
	return axis{}, fmt.Errorf("--find %s: there is no such axis; want connections, rate or size", name)
}

// curveOf is the metric of the latency–load curve.
func curveOf(s scenario.Scenario) string {
	switch {
	case s.Workload == scenario.Connect:
		return "connect.p99"
	case s.LatencyFrom == scenario.FromSent:
		return "sent_delivery.p99"
	default:
		return "delivery.p99"
	}
}
