package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"fanbench/bench/internal/store"
	"fanbench/loadgen/result"
)

type validateCommand struct {
	Results []string `arg:"" name:"result" help:"Result files or directories of runs."`
}

// Run checks each result against the committed schema and says what is wrong
// with those that do not fit.
func (c *validateCommand) Run(a *app) error {
	schema, err := compiled()
	if err != nil {
		return err
	}
	broken := 0
	for _, path := range c.Results {
		file, err := store.Locate(path)
		if err != nil {
			return usage(err)
		}
		if err := validate(schema, file); err != nil {
			fmt.Fprintf(a.stdout, "%s: %v\n", file, err)
			broken++
			continue
		}
		fmt.Fprintf(a.stdout, "%s: valid\n", file)
	}
	if broken > 0 {
		return failure{exitUntrusted, fmt.Errorf("%d of %d results do not fit the schema", broken, len(c.Results))}
	}
	return nil
}

func compiled() (*jsonschema.Schema, error) {
	const name = "result.schema.json"
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(result.Schema))
	if err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(name, document); err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	return compiler.Compile(name)
}

// validate checks one file: that a program can read it, and every value in it.
func validate(schema *jsonschema.Schema, file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read result: %w", err)
	}
	if _, err := result.Decode(b); err != nil {
		return err
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		return err
	}
	var invalid *jsonschema.ValidationError
	if err := schema.Validate(document); errors.As(err, &invalid) {
		return errors.New(strings.Join(places(invalid), "; "))
	} else if err != nil {
		return err
	}
	return nil
}

// places lists what is wrong where, as JSON pointers: the leaves of the tree of
// errors, whose branches only say that something below them is wrong.
func places(e *jsonschema.ValidationError) []string {
	if len(e.Causes) == 0 {
		return []string{fmt.Sprintf("/%s: %s", strings.Join(e.InstanceLocation, "/"), e.ErrorKind.LocalizedString(english))}
	}
	var all []string
	for _, cause := range e.Causes {
		all = append(all, places(cause)...)
	}
	return all
}

var english = message.NewPrinter(language.English)
