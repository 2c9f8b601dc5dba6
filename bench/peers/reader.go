package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"fanbench/bench/peers/internal/reader"
)

// read is the kind that reads instead of serving.
func read(args []string, stdout, stderr io.Writer) int {
	c := reader.Config{Patience: 10 * time.Second}
	flags := flag.NewFlagSet("peers reader", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&c.Address, "connect", "127.0.0.1:9001", "read from the server on `HOST:PORT`")
	flags.IntVar(&c.Connections, "connections", 1000, "`N` subscribers of one room")
	flags.Float64Var(&c.Rate, "rate", 10, "publish `N` a second")
	flags.IntVar(&c.Size, "size", 128, "publications of `N` bytes")
	flags.DurationVar(&c.Publish, "duration", 10*time.Second, "publish for `DURATION`")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return exitFine
	} else if err != nil {
		return exitUsage
	}
	if c.Connections < 1 || c.Rate <= 0 || c.Size < 126 || c.Size > 65535 || c.Publish <= 0 || flags.NArg() > 0 {
		fmt.Fprintln(stderr, "peers: reader: want --connections from 1, --rate and --duration above 0, --size from 126 to 65535, and nothing else")
		return exitUsage
	}
	r, err := reader.Run(c)
	if err != nil {
		fmt.Fprintf(stderr, "peers: reader: %v\n", err)
		return exitNoServe
	}
	fmt.Fprintf(stdout, "%d deliveries, %v of CPU each, %.1f %% of it the kernel's\n", r.Deliveries, r.PerDelivery(), 100*r.SystemShare())
	return exitFine
}
