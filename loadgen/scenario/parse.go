package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// An Option changes what a scenario is put together from.
type Option func(*options)

type options struct {
	toy  bool
	sets []setting
}

type setting struct{ key, value, flag string }

// Toy applies the file's toy block: a partial scenario that replaces keys, so
// that the whole pipeline runs within seconds in tests.
func Toy() Option { return func(o *options) { o.toy = true } }

// Set gives a dotted key a value as a file would write it, a list with commas.
// It takes precedence over the file and its toy block. flag names the
// command-line flag in error messages, for example "--rooms".
func Set(key, value, flag string) Option {
	return func(o *options) { o.sets = append(o.sets, setting{key, value, flag}) }
}

// maxFile is the largest scenario file that is read, in bytes.
const maxFile = 1 << 20

// byteOrderMark may stand before YAML (YAML 1.2 §5.2).
var byteOrderMark = []byte("\xef\xbb\xbf")

// Load reads a scenario file. Every error but that of reading the file is a
// [Problems].
func Load(path string, opts ...Option) (Scenario, error) {
	f, err := os.Open(path)
	if err != nil {
		return Scenario{}, fmt.Errorf("load scenario: %w", err)
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return Scenario{}, fmt.Errorf("load scenario: %w", err)
	}
	if len(src) > maxFile {
		return Scenario{}, fmt.Errorf("load scenario: %s holds more than %d bytes, and is none", path, maxFile)
	}
	return Parse(path, src, opts...)
}

// Parse reads a scenario from YAML; the base name of name without extension
// becomes the scenario's. Unknown keys, values without unit and contradictions
// are errors, all of them reported at once. The toy block is checked whether it
// is applied or not. Errors are [Problems].
func Parse(name string, src []byte, opts ...Option) (Scenario, error) {
	src = bytes.TrimPrefix(src, byteOrderMark)
	document, err := parser.ParseBytes(src, 0)
	if err != nil {
		return Scenario{}, syntaxProblem(name, src, err)
	}
	body, problem := onlyMapping(document)
	if problem != nil {
		problem.File = name
		return Scenario{}, Problems{*problem}
	}
	var o options
	for _, option := range opts {
		option(&o)
	}
	f := file{name, src, body}
	asked, problems := build(f, o.toy, o.sets)
	_, others := build(f, !o.toy, nil)
	for _, p := range others {
		if !slices.Contains(problems, p) {
			problems = append(problems, p)
		}
	}
	if len(problems) > 0 {
		return Scenario{}, problems
	}
	return asked, nil
}

// New puts a scenario together from options alone, under the name "adhoc".
func New(opts ...Option) (Scenario, error) {
	var o options
	for _, option := range opts {
		option(&o)
	}
	s, problems := build(file{}, false, o.sets)
	if len(problems) > 0 {
		return Scenario{}, problems
	}
	return s, nil
}

// file is a scenario file that YAML could read; the zero value is none.
type file struct {
	name string
	src  []byte
	body *ast.MappingNode
}

// build lays the layers over each other, the file, its toy block and the
// settings, fills in defaults and checks the whole.
func build(f file, toy bool, sets []setting) (Scenario, Problems) {
	d := &draft{set: make(map[string]origin)}
	var problems Problems
	name := "adhoc"
	if f.body != nil {
		name = strings.TrimSuffix(filepath.Base(f.name), filepath.Ext(f.name))
		dec := &decoder{draft: d, problems: &problems}
		dec.mapping(f.body, reflect.ValueOf(&d.Scenario).Elem(), "")
		if d.Question == "" {
			problems = append(problems, Problem{Key: "question", Text: "is missing; want the one question that the scenario answers"})
		}
		if toy && dec.toy != nil {
			dec.mapping(dec.toy, reflect.ValueOf(&d.Scenario).Elem(), "")
		}
	}
	for _, s := range sets {
		if err := d.apply(s); err != nil {
			problems = append(problems, Problem{Key: s.key, Text: err.Error(), origin: origin{flag: s.flag}})
		}
	}
	if len(problems) == 0 {
		d.resolve(name)
		errors.As(d.Validate(), &problems)
	}
	problems.locate(f.name, f.src, d.set)
	return d.Scenario, problems
}

// apply sets one key from text.
func (d *draft) apply(s setting) error {
	field := reflect.ValueOf(&d.Scenario).Elem()
	for part := range strings.SplitSeq(s.key, ".") {
		if field.Kind() != reflect.Struct {
			return fmt.Errorf("unknown key %q", s.key)
		}
		keys := keysOf(field)
		next, known := keys[part]
		if !known {
			return fmt.Errorf("unknown key %q%s", s.key, suggestion(part, names(keys)))
		}
		field = next
	}
	d.set[s.key] = origin{flag: strings.TrimSpace(s.flag + " " + s.value)}
	d.replace(s.key)
	return assign(field, s.value)
}

// replace has a flag for one of two keys that exclude each other take the place
// of the file's other one.
func (d *draft) replace(key string) {
	other := map[string]string{"size": "sizes", "sizes": "size"}[key]
	if at, set := d.set[other]; !set || at.flag != "" {
		return
	}
	delete(d.set, other)
	if other == "size" {
		d.Size = 0
	} else {
		d.Sizes = nil
	}
}

// onlyMapping is a file's single document, which must consist of keys.
func onlyMapping(parsed *ast.File) (*ast.MappingNode, *Problem) {
	var bodies []ast.Node
	for _, document := range parsed.Docs {
		if document.Body != nil {
			bodies = append(bodies, document.Body)
		}
	}
	if len(bodies) == 0 {
		return nil, &Problem{Text: "is empty; want at least a question"}
	}
	if len(bodies) > 1 {
		return nil, &Problem{Text: fmt.Sprintf("holds %d documents; want one scenario a file", len(bodies))}
	}
	m, ok := bodies[0].(*ast.MappingNode)
	if !ok {
		return nil, &Problem{Text: "is not a scenario; want keys and values"}
	}
	return m, nil
}

// syntaxProblem gives a YAML syntax error its place in the file.
func syntaxProblem(name string, src []byte, err error) Problems {
	var syntax yaml.Error
	if !errors.As(err, &syntax) {
		return Problems{{File: name, Text: err.Error()}}
	}
	problems := Problems{{Text: syntax.GetMessage(), origin: origin{token: syntax.GetToken()}}}
	problems.locate(name, src, nil)
	return problems
}
