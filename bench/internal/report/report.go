// Package report turns one result into one self-contained HTML page: it needs
// neither the network nor JavaScript, its charts are SVG drawn here.
//
// It is pure: a result in, a page out. It judges nothing; verdicts, limits and
// marks stand in the result and are only put into words.
package report

import (
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"

	"fanbench/loadgen/result"
)

//go:embed page.html style.css
var assets embed.FS

var page = template.Must(template.New("page.html").ParseFS(assets, "page.html"))

// HTML writes the page. reproduce is the command line that repeats the run, as
// a person would type it; "" leaves that section out.
func HTML(w io.Writer, r *result.Result, reproduce string) error {
	v, err := newView(r)
	if err != nil {
		return fmt.Errorf("report run %s: %w", r.RunID, err)
	}
	v.Reproduce = reproduce
	style, err := assets.ReadFile("style.css")
	if err != nil {
		return fmt.Errorf("read style: %w", err)
	}
	v.Style = template.CSS(style)
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode result: %w", err)
	}
	// Base64 in a link is a download without a script, and cannot be mistaken
	// for markup.
	v.Download = template.URL("data:application/json;base64," + base64.StdEncoding.EncodeToString(raw))
	if err := page.Execute(w, v); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
