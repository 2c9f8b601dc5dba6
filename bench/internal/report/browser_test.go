package report_test

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

var pictures = flag.String("pictures", "", "keep pictures of the pages in this folder, to be looked at")

// tab is a page of a headless Chromium, which scripts/install-chromium.sh
// installs, with what the console says and what is fetched.
type tab struct {
	context.Context
	mu              sync.Mutex
	console, remote []string
}

func open(t *testing.T) *tab {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("%v; scripts/install-chromium.sh installs it", err)
	}
	b := &tab{}
	ctx, end := chromedp.NewContext(t.Context(), chromedp.WithListener(b.hear),
		chromedp.WithAllocatorOptions(chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.WSURLReadTimeout(time.Minute)))
	t.Cleanup(end)
	b.Context = ctx
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	call(t, b, runtime.Enable, cdp.Empty{})
	call(t, b, network.Enable, network.EnableParams{})
	return b
}

func (b *tab) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		for _, a := range e.Args {
			b.console = append(b.console, string(a.Value))
		}
	case *runtime.EventExceptionThrown:
		b.console = append(b.console, e.ExceptionDetails.Text)
	case *network.EventRequestWillBeSent:
		if u := e.Request.URL; !strings.HasPrefix(u, "file:") && !strings.HasPrefix(u, "data:") {
			b.remote = append(b.remote, u)
		}
	}
}

func (b *tab) heard() (console, remote []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.console), slices.Clone(b.remote)
}

// show opens a page of the given text.
func (b *tab) show(t *testing.T, html string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(file, []byte(html), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(b, chromedp.Navigate((&url.URL{Scheme: "file", Path: file}).String())); err != nil {
		t.Fatal(err)
	}
}

// count evaluates an expression to a whole number.
func (b *tab) count(t *testing.T, expression string) int {
	t.Helper()
	n, err := chromedp.Run(b, chromedp.Evaluate[int](expression))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func call[P, R any](t *testing.T, b *tab, command cdp.Command[P, R], params P) {
	t.Helper()
	if _, err := chromedp.Call(b, command, params); err != nil {
		t.Fatal(err)
	}
}

const (
	overTime = `document.querySelectorAll("[data-plot]").length`
	canvases = `document.querySelectorAll(".uplot canvas").length`
	shown    = `[...document.querySelectorAll("figure svg")].filter(f => f.getBoundingClientRect().width > 0).length`
	marks    = `document.querySelectorAll("figure svg path, figure svg circle").length`
	tooWide  = `document.documentElement.scrollWidth - innerWidth`
)

// Pages in a real browser, in wide and narrow windows, light and dark: nothing
// is fetched, nothing complains, the charts are there, and nothing is wider
// than the window.
func TestInBrowser(t *testing.T) {
	b := open(t)
	for name, html := range everyPage(t) {
		for _, window := range []struct {
			name  string
			width int64
		}{{"wide", 1280}, {"narrow", 390}} {
			for _, scheme := range []string{"light", "dark"} {
				at := fmt.Sprintf("%s-%s-%s", name, window.name, scheme)
				call(t, b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: window.width, Height: 900, DeviceScaleFactor: 1})
				call(t, b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
					Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
				b.show(t, html)
				if name != "trend" && b.count(t, overTime) == 0 || b.count(t, canvases) != b.count(t, overTime) {
					t.Errorf("%s: %d of %d charts over time drawn", at, b.count(t, canvases), b.count(t, overTime))
				}
				if n := b.count(t, shown); n == 0 {
					t.Errorf("%s: no drawing is shown", at)
				}
				if n := b.count(t, marks); n < 50 {
					t.Errorf("%s: %d marks in the drawings", at, n)
				}
				if n := b.count(t, tooWide); n > 0 {
					t.Errorf("%s: %d px wider than the window", at, n)
				}
				b.keep(t, at)
			}
		}
	}
	if console, remote := b.heard(); len(console)+len(remote) > 0 {
		t.Errorf("the console says %q; fetched %q", console, remote)
	}
}

// The arrow keys move one cursor through every chart over time.
func TestKeyboard(t *testing.T) {
	b := open(t)
	call(t, b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: 1600, Height: 900, DeviceScaleFactor: 1})
	b.show(t, everyPage(t)["fanout"])
	press := `(key => { document.querySelector("[data-plot]").dispatchEvent(new KeyboardEvent("keydown", {key})); return 0; })`
	at := `new Set([...document.querySelectorAll(".u-series:first-child .u-value")].map(e => e.textContent))`
	for range 3 {
		b.count(t, press+`("ArrowRight")`)
	}
	b.count(t, press+`("ArrowLeft")`)
	const bound = 10 * time.Second // the charts write what is under the cursor a moment later
	for end := time.Now().Add(bound); b.count(t, at+`.has("2 s") ? `+at+`.size : 0`) != 1; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			said, err := chromedp.Run(b, chromedp.Evaluate[string](`[...`+at+`].join("|")`))
			t.Fatalf("the cursors are at %q (%v), want all at the second reading", said, err)
		}
	}
	if console, _ := b.heard(); len(console) > 0 {
		t.Errorf("the console says %q", console)
	}
}

// keep takes a picture if somebody asked for them.
func (b *tab) keep(t *testing.T, name string) {
	t.Helper()
	if *pictures == "" {
		return
	}
	picture, err := chromedp.Run(b, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*pictures, name+".png"), picture, 0o644); err != nil {
		t.Fatal(err)
	}
}

// Without JavaScript every chart is there as a drawing.
func TestWithoutScript(t *testing.T) {
	b := open(t)
	call(t, b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	b.show(t, everyPage(t)["comparison"])
	for _, mark := range []string{"circle.estimate", "path.area", "path.cell", "path.line"} {
		if err := chromedp.Do(b, chromedp.WaitVisible("figure.wide "+mark)); err != nil {
			t.Errorf("%s: %v", mark, err)
		}
	}
	b.keep(t, "without-script")
}

// What the tests above rely on: a page that complains and fetches is noticed.
func TestBrowserNotices(t *testing.T) {
	b := open(t)
	b.show(t, `<img src="http://127.0.0.1:9/x.png"><script>console.error("ouch"); document.body.append("done"); missing()</script>`)
	if console, remote := b.heard(); len(console) != 2 || len(remote) != 1 {
		t.Errorf("the console says %q; fetched %q; want two complaints and one image", console, remote)
	}
}
