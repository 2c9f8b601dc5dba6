package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"fanbench/server/internal/http1"
)

var update = flag.Bool("update", false, "write the tables of docs/limits.md")

const limitsPage = "../docs/limits.md"

// rule is one row of the page.
type rule struct {
	what   string
	flag   string // or "" for a fixed limit
	value  string // of a fixed limit
	peer   string // sees
	reason string // in the metric
}

var flaggedLimits = []rule{
	{"Bytes of one message, over all its fragments, before and after inflation; refused at the header that crosses it", "max-message", "", "close 1009", "too-large"},
	{"Frames in one message; 0 is max-message ÷ 64, but 1,024 at least", "max-fragments", "", "close 1008", "fragments"},
	{"From a message's first byte to its last", "message-timeout", "", "close 1008", "message-timeout"},
	{"Messages, pings and pongs per second on one connection; 0 is any number", "message-rate", "", "close 1008", "message-rate"},
	{"Bytes that a connection may be behind; 0 is 1 MiB, or max-message if that is more", "max-backlog", "", "close 1008, once it reads again; see --slow", "slow"},
	{"How long a publication may wait for a connection, give or take a quarter; 0 is any time", "max-backlog-age", "", "close 1008, once it reads again; see --slow", "slow"},
	{"Between two pings; silence is allowed for two intervals; 0 is no pings and any silence", "ping-interval", "", "end of the connection", "silent"},
	{"From the connection's begin to the end of the request head", "handshake-timeout", "", "408", "handshake-timeout"},
	{"From the server's close frame to the peer's", "close-timeout", "", "end of the connection", "close-timeout"},
	{"Connections at once; 0 is as many as there are descriptors", "max-connections", "", "503", "connections"},
	{"Connections at once from one address; 0 is any number", "max-connections-per-address", "", "429", "connections-per-address"},
	{"New connections per second from one address; 0 is any number", "handshake-rate", "", "429", "handshake-rate"},
	{"Web origins that may connect: scheme://host[:port], self, or * for all", "origin", "", "403", "origin"},
}

var fixedLimits = []rule{
	{"Bytes of a request head", "", strconv.Itoa(http1.MaxHead), "431", "head-size"},
	{"Bytes of a line in it", "", strconv.Itoa(http1.MaxLine), "431", "line-size"},
	{"Bytes of the request target", "", strconv.Itoa(http1.MaxTarget), "414", "target-size"},
	{"Header lines", "", strconv.Itoa(http1.MaxHeaders), "431", "header-count"},
	{"Bytes of white space in a row in a header value", "", "1024", "400", "white-space"},
	{"Bytes of a room's name; UTF-8 without control characters", "", "1 to 255", "400", "room"},
	{"A request that has not arrived whole when the server drains", "", "--drain", "503", "draining"},
	{"Bytes of a control frame, in one fragment", "", "125", "close 1002", "control"},
}

var violations = []rule{
	{what: "A method other than GET", peer: "405", reason: "method"},
	{what: "A path that is not served", peer: "404", reason: "not-found"},
	{what: "A query parameter's value that is not known", peer: "400", reason: "query"},
	{what: "A malformed request line, or no HTTP at all", peer: "400", reason: "request-line"},
	{what: "A version other than HTTP/1.1", peer: "505", reason: "http-version"},
	{what: "A malformed target: percent-encoding, dot segments, control characters", peer: "400", reason: "target"},
	{what: "A line that does not end with CR LF", peer: "400", reason: "line-end"},
	{what: "A folded header line", peer: "400", reason: "folded-line"},
	{what: "A malformed header name", peer: "400", reason: "header-name"},
	{what: "A control character in a header value", peer: "400", reason: "header-value"},
	{what: "No Host, two, or a malformed one", peer: "400", reason: "host"},
	{what: "A request with a body", peer: "400", reason: "body"},
	{what: "No Upgrade to websocket", peer: "400", reason: "upgrade"},
	{what: "Connection does not name upgrade", peer: "400", reason: "connection"},
	{what: "No Sec-WebSocket-Version, or two: 400; another than 13: 426", peer: "400 or 426", reason: "version"},
	{what: "No Sec-WebSocket-Key, two, or not 16 bytes in base64", peer: "400", reason: "key"},
	{what: "A malformed list of sub-protocols, or one named twice", peer: "400", reason: "protocol"},
	{what: "A malformed list of extensions", peer: "400", reason: "extension"},
	{what: "Two Origins (an origin that may not connect is 403, above)", peer: "400 or 403", reason: "origin"},
	{what: "A reserved bit that was not agreed on, or RSV1 on a control frame or a continuation", peer: "close 1002", reason: "rsv"},
	{what: "A reserved opcode", peer: "close 1002", reason: "opcode"},
	{what: "A continuation of nothing, or a new message inside one", peer: "close 1002", reason: "fragment"},
	{what: "A frame without a mask", peer: "close 1002", reason: "unmasked"},
	{what: "A length that is not in its shortest form, or has the top bit set", peer: "close 1002", reason: "length"},
	{what: "A close frame with half a code", peer: "close 1002", reason: "close-length"},
	{what: "A close code that no frame may carry", peer: "close 1002", reason: "close-code"},
	{what: "Text or a close reason that is not UTF-8, at the first byte that makes it certain", peer: "close 1007", reason: "utf8"},
	{what: "A compressed message that is not DEFLATE, is cut, or refers beyond its window", peer: "close 1007", reason: "deflate"},
	{what: "The end of the stream within a request head, a frame or an unfinished message", peer: "end of the connection", reason: "truncated"},
	{what: "A binary message to /echo?type=text", peer: "close 1003", reason: "binary"},
}

// TestLimitsPage keeps docs/limits.md and the code the same. With -update it writes the page's tables.
func TestLimitsPage(t *testing.T) {
	old, err := os.ReadFile(limitsPage)
	if err != nil {
		t.Fatal(err)
	}
	page := string(old)
	for name, table := range map[string]string{
		"limits with a flag": flaggedTable(t), "limits without a flag": fixedTable(), "violations": violationsTable(),
	} {
		begin, end := "<!-- "+name+" -->\n", "<!-- end -->"
		before, rest, found := strings.Cut(page, begin)
		_, after, closed := strings.Cut(rest, end)
		if !found || !closed {
			t.Fatalf("the page has no place for the %s", name)
		}
		page = before + begin + table + end + after
	}
	if page == string(old) {
		return
	}
	if !*update {
		t.Fatalf("%s is stale: run go test ./server -run TestLimitsPage -update", limitsPage)
	}
	if err := os.WriteFile(limitsPage, []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
}

func flaggedTable(t *testing.T) string {
	parser, err := kong.New(&options{})
	if err != nil {
		t.Fatal(err)
	}
	defaults := map[string]string{}
	for _, flag := range parser.Model.Flags {
		defaults[flag.Name] = flag.Default
	}
	var table strings.Builder
	table.WriteString("| flag | limit | default | public | peer sees | counted as |\n|---|---|---|---|---|---|\n")
	for _, r := range flaggedLimits {
		local, known := defaults[r.flag]
		if !known {
			t.Errorf("there is no --%s", r.flag)
		}
		public, differs := profiles["public"][r.flag]
		if !differs {
			public = local
		}
		fmt.Fprintf(&table, "| `--%s` | %s | %s | %s | %s | `%s` |\n", r.flag, r.what, literal(local), literal(public), r.peer, r.reason)
	}
	return table.String()
}

// literal keeps the asterisk from being read as markup.
func literal(value string) string { return strings.ReplaceAll(value, "*", `\*`) }

func fixedTable() string {
	var table strings.Builder
	table.WriteString("| limit | value | peer sees | counted as |\n|---|---|---|---|\n")
	for _, r := range fixedLimits {
		fmt.Fprintf(&table, "| %s | %s | %s | `%s` |\n", r.what, r.value, r.peer, r.reason)
	}
	return table.String()
}

func violationsTable() string {
	var table strings.Builder
	table.WriteString("| violation | peer sees | counted as |\n|---|---|---|\n")
	for _, r := range violations {
		fmt.Fprintf(&table, "| %s | %s | `%s` |\n", r.what, r.peer, r.reason)
	}
	return table.String()
}

var (
	refusals = regexp.MustCompile(`Refusal\{Status: (\d+|http\.\w+), Reason: "([a-z0-9-]+)"`)
	failures = regexp.MustCompile(`Error\{(?:Code: )?ws\.(\w+), (?:Reason: )?"([a-z0-9-]+)"\}`)
	counted  = regexp.MustCompile(`\.(?:reject|evict)\("([a-z0-9-]+)"\)`)
	codes    = map[string]string{
		"StatusProtocolError": "1002", "StatusUnsupportedData": "1003", "StatusInvalidFramePayloadData": "1007",
		"StatusPolicyViolation": "1008", "StatusMessageTooBig": "1009", "http.StatusBadRequest": "400",
	}
)

// TestEveryReasonIsDocumented holds the page's tables against the reasons in the sources, with their statuses and codes.
func TestEveryReasonIsDocumented(t *testing.T) {
	peers := map[string]string{}
	for _, r := range slices.Concat(flaggedLimits, fixedLimits, violations) {
		peers[r.reason] += r.peer + "; "
	}
	inCode := map[string]bool{}
	check := func(file, status, reason string) {
		if reason == "masked" || reason == "panic" { // of the client's end; and nothing that a peer did
			return
		}
		inCode[reason] = true
		if known := codes[status]; known != "" {
			status = known
		}
		if !strings.Contains(peers[reason], status) || peers[reason] == "" {
			t.Errorf("%s: reason %q with %s: the page says %q", filepath.Base(file), reason, status, peers[reason])
		}
	}
	for _, file := range sources(t, "internal/http1", "internal/gateway", "frame", "deflate") {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, pattern := range []*regexp.Regexp{refusals, failures} {
			for _, m := range pattern.FindAllStringSubmatch(string(source), -1) {
				check(file, m[1], m[2])
			}
		}
		for _, m := range counted.FindAllStringSubmatch(string(source), -1) {
			check(file, "", m[1])
		}
	}
	documented := slices.Sorted(maps.Keys(peers))
	if found := slices.Sorted(maps.Keys(inCode)); !slices.Equal(documented, found) {
		t.Errorf("documented %v\nin the code %v", documented, found)
	}
}

// sources are the Go files of the folders, without tests.
func sources(t *testing.T, folders ...string) (files []string) {
	t.Helper()
	for _, folder := range folders {
		all, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil || len(all) == 0 {
			t.Fatalf("no sources in %s: %v", folder, err)
		}
		for _, file := range all {
			if !strings.HasSuffix(file, "_test.go") {
				files = append(files, file)
			}
		}
	}
	return files
}
