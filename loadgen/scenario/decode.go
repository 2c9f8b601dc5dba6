package scenario

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// toyKey holds a partial scenario that replaces keys for a run of seconds.
const toyKey = "toy"

// decoder walks a YAML document along the structs' yaml tags. It works on the
// syntax tree because a decoder stops at its first error, and a file's author
// wants all of them, each with its place.
type decoder struct {
	draft    *draft
	problems *Problems
	toy      *ast.MappingNode // the document's toy, where it may have one
}

func (d *decoder) problem(at *token.Token, key, format string, args ...any) {
	*d.problems = append(*d.problems, Problem{Key: key, Text: fmt.Sprintf(format, args...), origin: origin{token: at}})
}

// mapping decodes a block of keys into a struct; prefix is the block's dotted
// key with a trailing dot.
func (d *decoder) mapping(m *ast.MappingNode, into reflect.Value, prefix string) {
	fields := keysOf(into)
	for _, pair := range m.Values {
		name := pair.Key.GetToken().Value
		key := prefix + name
		field, known := fields[name]
		switch {
		case key == toyKey && d.toy == nil:
			d.rememberToy(pair.Value)
		case !known:
			d.problem(pair.Key.GetToken(), key, "unknown key%s", suggestion(name, names(fields)))
		default:
			d.draft.set[key] = origin{token: pair.Key.GetToken()}
			d.value(pair.Value, field, key)
		}
	}
}

func (d *decoder) rememberToy(n ast.Node) {
	m, ok := n.(*ast.MappingNode)
	if !ok {
		d.problem(n.GetToken(), toyKey, "want keys below it")
		return
	}
	d.toy = m
}

func (d *decoder) value(n ast.Node, into reflect.Value, key string) {
	switch n := n.(type) {
	case *ast.MappingNode:
		if into.Kind() != reflect.Struct || isText(into) {
			d.problem(n.GetToken(), key, "want %s, not keys below it", wanted(into))
			return
		}
		d.mapping(n, into, key+".")
	case *ast.SequenceNode:
		d.sequence(n, into, key)
	case *ast.NullNode:
		d.problem(n.GetToken(), key, "has no value; want %s", wanted(into))
	case *ast.StringNode, *ast.LiteralNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		if err := assign(into, scalar(n)); err != nil {
			d.problem(n.GetToken(), key, "%v", err)
		}
	default:
		d.problem(n.GetToken(), key, "%s is not supported here; want %s", strings.ToLower(n.Type().String()), wanted(into))
	}
}

func (d *decoder) sequence(n *ast.SequenceNode, into reflect.Value, key string) {
	if into.Kind() != reflect.Slice {
		d.problem(n.GetToken(), key, "want %s, not a list", wanted(into))
		return
	}
	list := reflect.MakeSlice(into.Type(), len(n.Values), len(n.Values))
	for i, item := range n.Values {
		d.value(item, list.Index(i), fmt.Sprintf("%s[%d]", key, i))
	}
	into.Set(list)
}

// scalar is the text of a scalar node without its quotes.
func scalar(n ast.Node) string {
	if block, ok := n.(*ast.LiteralNode); ok {
		return strings.TrimSpace(block.Value.Value)
	}
	return n.GetToken().Value
}

// assign converts a scalar's text to a field's type.
func assign(into reflect.Value, text string) error {
	switch field := into.Addr().Interface().(type) {
	case *time.Duration:
		value, err := parseDuration(text)
		*field = value
		return err
	case encoding.TextUnmarshaler:
		return field.UnmarshalText([]byte(text))
	}
	switch into.Kind() {
	case reflect.Slice:
		return assignList(into, text)
	case reflect.String:
		into.SetString(text)
		return nil
	case reflect.Int:
		n, err := strconv.Atoi(strings.ReplaceAll(text, "_", ""))
		if err == nil {
			into.SetInt(int64(n))
			return nil
		}
	case reflect.Bool:
		if text == "true" || text == "false" {
			into.SetBool(text == "true")
			return nil
		}
	}
	return fmt.Errorf("%q does not fit; want %s", text, wanted(into))
}

// assignList fills a list from one scalar: items are separated by commas,
// headers, which may hold commas, by line breaks.
func assignList(into reflect.Value, text string) error {
	separator := ","
	if into.Type() == reflect.TypeFor[[]Header]() {
		separator = "\n"
	}
	list := reflect.MakeSlice(into.Type(), 0, 0)
	for item := range strings.SplitSeq(text, separator) {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		one := reflect.New(into.Type().Elem()).Elem()
		if err := assign(one, item); err != nil {
			return err
		}
		list = reflect.Append(list, one)
	}
	into.Set(list)
	return nil
}

// isText: the field is written as one scalar, whatever it is made of.
func isText(field reflect.Value) bool {
	_, is := field.Addr().Interface().(encoding.TextUnmarshaler)
	return is
}

// wanted says what a field takes.
func wanted(field reflect.Value) string {
	switch field.Addr().Interface().(type) {
	case *time.Duration:
		return strings.TrimPrefix(durationForms, "want ")
	case *Rate:
		return strings.TrimPrefix(rateForms, "want ")
	case *Size:
		return strings.TrimPrefix(sizeForms, "want ")
	case *ByteRate:
		return strings.TrimPrefix(byteRateForms, "want ")
	case *Share:
		return strings.TrimPrefix(shareForms, "want ")
	case *Membership:
		return strings.TrimPrefix(membershipForms, "want ")
	case *WeightedSize:
		return strings.TrimPrefix(weightedForms, "want ")
	case *Header:
		return strings.TrimPrefix(headerForms, "want ")
	case *Condition:
		return strings.TrimPrefix(conditionForms, "want ")
	}
	switch field.Kind() {
	case reflect.Int:
		return "a whole number"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list"
	case reflect.Struct:
		return "keys below it: " + strings.Join(names(keysOf(field)), ", ")
	default:
		return "text"
	}
}

// keysOf maps a struct's YAML names to its fields.
func keysOf(v reflect.Value) map[string]reflect.Value {
	fields := make(map[string]reflect.Value)
	for i := range v.NumField() {
		if name := v.Type().Field(i).Tag.Get("yaml"); name != "-" {
			fields[name] = v.Field(i)
		}
	}
	return fields
}
