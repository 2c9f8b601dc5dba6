package scenario

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/token"
)

// Problem is one thing that is wrong with a scenario, and where.
type Problem struct {
	// File, Line and Column say where; they are empty where the scenario did
	// not come from a file. Lines and columns count from 1.
	File         string
	Line, Column int
	// Flag is the command-line flag that set the value, if one did.
	Flag string
	// Key is the dotted key, for example "phases.idle".
	Key string
	// Text says what was found and what is wanted.
	Text string
	// Excerpt is the source line with a caret under the place.
	Excerpt string

	origin origin
}

// origin is where a key was set.
type origin struct {
	token *token.Token // in the file
	flag  string       // on the command line
}

// Error is one line "file:line:column: key: text", and the excerpt below it.
func (p Problem) Error() string {
	var b strings.Builder
	switch {
	case p.Flag != "":
		fmt.Fprintf(&b, "%s: ", p.Flag)
	case p.Line > 0:
		fmt.Fprintf(&b, "%s:%d:%d: ", p.File, p.Line, p.Column)
	case p.File != "":
		fmt.Fprintf(&b, "%s: ", p.File)
	}
	if p.Key != "" && p.Flag == "" {
		fmt.Fprintf(&b, "%s: ", p.Key)
	}
	b.WriteString(p.Text)
	if p.Excerpt != "" {
		b.WriteString("\n" + p.Excerpt)
	}
	return b.String()
}

// Problems is everything that is wrong with a scenario, never empty as an
// error.
type Problems []Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// locate completes problems with the place where each key was set.
func (ps Problems) locate(file string, src []byte, set map[string]origin) {
	lines := strings.Split(string(src), "\n")
	for i := range ps {
		p := &ps[i]
		if p.origin == (origin{}) {
			p.origin = set[p.Key]
		}
		p.File, p.Flag = file, p.origin.flag
		if at := p.origin.token; at != nil && at.Position != nil {
			p.Line, p.Column = at.Position.Line, at.Position.Column
			p.Excerpt = excerpt(lines, p.Line, p.Column)
		}
	}
}

// excerpt is a source line with its number, and a caret below the column.
func excerpt(lines []string, line, column int) string {
	if line < 1 || line > len(lines) || column < 1 {
		return ""
	}
	text := strings.TrimRight(lines[line-1], "\r")
	// Tabs stay, so that the caret stands below its character.
	indent := strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, string([]rune(text + strings.Repeat(" ", column))[:column-1]))
	gutter := fmt.Sprintf("%4d | ", line)
	return fmt.Sprintf("%s%s\n%*s%s^", gutter, text, len(gutter), "| ", indent)
}

// suggestion is `; did you mean "rooms"?` if one of the known names is close.
func suggestion(found string, known []string) string {
	if name := Nearest(found, known); name != "" {
		return fmt.Sprintf("; did you mean %q?", name)
	}
	return ""
}

// Nearest is the known name that what was found is probably meant to be, or ""
// if none is close.
func Nearest(found string, known []string) string {
	best, least := "", min(max(2, len(found)/3), len(found)/2)+1
	for _, name := range known {
		if d := distance(found, name); d < least {
			best, least = name, d
		}
	}
	return best
}

// distance is the Levenshtein distance: the least number of characters to
// insert, delete or replace. Case and the kind of dash do not count.
func distance(a, b string) int {
	same := strings.NewReplacer("_", "-", " ", "-")
	a, b = same.Replace(strings.ToLower(a)), same.Replace(strings.ToLower(b))
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(row[j]+1, row[j+1]+1, replaced)
		}
	}
	return row[len(b)]
}

// names are a map's keys in order.
func names[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
