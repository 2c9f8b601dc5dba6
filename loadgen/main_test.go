package main

import (
	"bytes"
	"context"
	"fmt"
	"go/parser"
	"go/token"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/gorilla/websocket"
	"go.uber.org/goleak"
)

// TestMain also plays the processes that tests start: loadgen itself, whose
// workers are this program again, and a server to be killed.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) > 1 && (os.Args[1] == "agent" || os.Args[1] == "null-target"), os.Getenv("LOADGEN_TEST") == "loadgen":
		os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	case os.Getenv("LOADGEN_TEST") == "peer":
		server := httptest.NewUnstartedServer(&peer{})
		if address := os.Getenv("LOADGEN_TEST_ADDRESS"); address != "" {
			server.Listener.Close()
			var err error
			if server.Listener, err = net.Listen("tcp", address); err != nil {
				panic(err)
			}
		}
		server.Start()
		fmt.Println(server.Listener.Addr())
		<-context.Background().Done()
	}
	// The server under test keeps a pool of goroutines for the whole process.
	const pool = "github.com/panjf2000/ants/v2."
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(pool+"(*poolCommon).purgeStaleWorkers"),
		goleak.IgnoreAnyFunction(pool+"(*poolCommon).ticktock"), goleak.IgnoreAnyFunction(pool+"(*goWorker).run.func1"))
}

// peer is a small broadcast server on another library than ours: each message
// goes to all connections of the same path, /echo's to its sender alone.
type peer struct {
	mu    sync.Mutex
	rooms map[string][]*member
}

var upgrader = websocket.Upgrader{EnableCompression: true} // if it is offered

type member struct {
	mu   sync.Mutex
	conn *websocket.Conn
}

func (m *member) send(kind int, message []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_ = m.conn.WriteMessage(kind, message) // a member that is gone misses it
}

func (p *peer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	m := &member{conn: conn}
	room := r.URL.Path
	if r.URL.RawQuery == "" { // self=0 marks a publisher, which hears nothing
		p.join(room, m)
	}
	for {
		kind, message, err := conn.ReadMessage()
		if err != nil {
			return
		}
		if room == "/echo" {
			m.send(kind, message)
			continue
		}
		p.mu.Lock()
		members := slices.Clone(p.rooms[room])
		p.mu.Unlock()
		for _, to := range members {
			to.send(kind, message)
		}
	}
}

func (p *peer) join(room string, m *member) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rooms == nil {
		p.rooms = make(map[string][]*member)
	}
	p.rooms[room] = append(p.rooms[room], m)
}

// loadgen runs the program in this process.
func loadgen(arguments ...string) (status int, stdout, stderr string) {
	var out, err bytes.Buffer
	status = run(arguments, strings.NewReader(""), &out, &err)
	return status, out.String(), err.String()
}

// manual is the doc comment of main.go.
func manual(t *testing.T) string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "main.go", nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		t.Fatal(err)
	}
	return file.Doc.Text()
}

func TestTheManualListsTheFlags(t *testing.T) {
	documented := make(map[string][]string) // commands may share a name
	for _, match := range regexp.MustCompile(`(?m)^\t--([a-z-]+)(?:=\S+)? +(.+)$`).FindAllStringSubmatch(manual(t), -1) {
		documented[match[1]] = append(documented[match[1]], match[2])
	}
	var c commandLine
	model, err := kong.New(&c, kong.Vars{"version": ""})
	if err != nil {
		t.Fatal(err)
	}
	known := make(map[string]bool)
	for _, command := range model.Model.Children {
		if command.Hidden {
			continue
		}
		for _, flag := range command.Flags {
			known[flag.Name] = true
			help := strings.TrimSuffix(flag.Help, ".")
			said, ok := documented[flag.Name]
			if !ok {
				t.Errorf("the manual lacks --%s", flag.Name)
			} else if !slices.ContainsFunc(said, func(s string) bool { return strings.EqualFold(s, help) }) {
				t.Errorf("--%s: the manual says %q, --help says %q", flag.Name, said, help)
			}
		}
	}
	for name := range documented {
		if !known[name] {
			t.Errorf("the manual has --%s, the program does not", name)
		}
	}
}

func TestTheManualsSessionsRun(t *testing.T) {
	sessions := regexp.MustCompile(`(?m)^\t\$ loadgen (.+)\n((?:\t.*\n|\n)+)`).FindAllStringSubmatch(manual(t), -1)
	if len(sessions) == 0 {
		t.Fatal("the manual has no session")
	}
	for _, session := range sessions {
		status, out, problem := loadgen(strings.Fields(session[1])...)
		want := strings.TrimSpace(strings.ReplaceAll(session[2], "\n\t", "\n"))
		if status != exitFine || strings.TrimSpace(out) != want {
			t.Errorf("loadgen %s: exit status %d, standard error %q, output\n%s\nwant\n%s", session[1], status, problem, out, want)
		}
	}
}

func TestUsageErrorsAreOneLineAndStatus2(t *testing.T) {
	at := "ws://127.0.0.1:1"
	for _, c := range []struct {
		arguments string
		problem   string
	}{
		{"run", "--url is missing; give the server's address"},
		{"run --url 127.0.0.1:9001", "no scheme; want ws://host:port"},
		{"run --url http://127.0.0.1:9001", `unknown scheme "http"; want ws://host:port`},
		{"run --ca ca.pem --url " + at, "--ca ca.pem: --url ws://127.0.0.1:1 has no TLS; give a wss URL"},
		{"run --insecure --url " + at, "--insecure: --url ws://127.0.0.1:1 has no TLS; give a wss URL"},
		{"run --insecure --ca ca.pem --url wss://127.0.0.1", "--ca and --insecure exclude each other; give one"},
		{"run --ca /nonexistent.pem --url wss://127.0.0.1", "--ca: open /nonexistent.pem: no such file"},
		{"run --ca main.go --url wss://127.0.0.1", "--ca main.go: no certificate in PEM form"},
		{"run --header secret --url " + at, "--header, number 1: no colon; want 'Name: value'"},
		{"run --header Upgrade:h2c --url " + at, "--header Upgrade: Upgrade is the handshake's own; leave it out"},
		{"run --header sec-websocket-key:x --url " + at, "--header sec-websocket-key: sec-websocket-key is the handshake's own"},
		{"run --header X:{room} --url " + at, "--header X: X: {room} is unknown; want {connection} or {token}"},
		{"run --header X:{token} --url " + at, "header X holds {token}; give the tokens with --token-file FILE"},
		{"run --token-file main.go --url " + at, "--token-file main.go: no header and no path holds {token}; give one with --header, or in --url"},
		{"run --url " + at + "/?t={token}", "the path holds {token}; give the tokens with --token-file FILE"},
		{"run --url " + at + "/{user}", "{user} is unknown; want {room}, {connection} or {token}"},
		{"run --header X:{token} --token-file /nonexistent --url " + at, "--token-file: open /nonexistent: no such file"},
		{"conformance --url wss://127.0.0.1:9001", "a suite's server is spoken to without TLS"},
		{"run --url ws://", "no host"},
		{"run --url ws://:9001", "no host"},
		{"run --url ws://127.0.0.1:port", "invalid port"},
		{"run --url ws://127.0.0.1:70000", "port 70000; want 1 to 65535"},
		{"run --url ws://a:b@127.0.0.1", "a user name has no place"},
		{"run --url ws://127.0.0.1/a#b", "a fragment has no place"},
		{"run --url ws://127.0.0.1/é", "percent-encoded"},
		{"run --rooms 2 --url " + at + "/one", "want a {room} in it"},
		{"run --nonsense --url " + at, "unknown flag --nonsense"},
		{"run --rate 5 --url " + at, "5 has no unit"},
		{"run --size 12B --url " + at, "--size 12B"},
		{"run --connections many --url " + at, "--connections"},
		{"run --seed one --url " + at, "--seed one: want a whole number"},
		{"run --toy --url " + at, "give a scenario file"},
		{"run no-such-file.yaml --url " + at, "no such file"},
		{"run --watch-pid 1 --vitals-url http://x --url " + at, "exclude each other"},
		{"run --watch-pid 999999999 --url " + at, "--watch-pid 999999999: no process"},
		{"run --vitals-url x --url " + at, "--vitals-url x: want http://"},
		{"run --find speed --url " + at, "--find speed: there is no such axis; want connections, rate or size"},
		{"run --find rate --url " + at, "--find rate: nothing says what has to hold; give --slo"},
		{"run --find rate --find-from 10 --slo lost==0 --url " + at, "--find-from 10: 10 has no unit"},
		{"run --find rate --find-to 5/s --slo lost==0 --url " + at, "--find-from 10/s is more than --find-to 5/s"},
		{"run --find rate --workload echo --slo lost==0 --url " + at, "--find rate: the smallest load is 0; give --find-from"},
		{"run --find size --find-from 12B --slo lost==0 --url " + at, "--size 12B"},
		{"run --find rate --find-repeat 100 --slo lost==0 --url " + at, "--find-repeat 100: want 1 to 99"},
		{"run --find rate --find-time=-1s --slo lost==0 --url " + at, "--find-time -1s: want a duration above 0"},
		{"run --find-to 5/s --url " + at, "are for a search; give --find connections, rate or size"},
		{"plan --duration 5", "5 has no unit"},
		{"plan --json --csv", "--json and --csv exclude each other; give one"},
		{"plan --size 47B", "--size 47B: 47B is out of range; want 48B, the length of the stamp, to 16777215B"},
		{"plan --rate 50000/s --duration 10m", "--duration 10m: 10m0s at 50000/s is 30000000 publications, each with a record in memory; want at most 16777216"},
		{"plan --size 1KiB --sizes 64B:1", "--sizes 64B:1: stands beside size; leave one of the two out"},
		{"plan --slo lots", "--slo: "},
		{"plan --payload xml", "--payload xml"},
		{"conformance", "--url is missing"},
		{"conformance --cases 5-1 --url " + at, `"5-1" is not a range of cases`},
		{"conformance --cases 12.* --url " + at, `"12.*" is not a case`},
		{"conformance --timeout 0s --url " + at, "--timeout 0s: want a duration above 0"},
		{"conformance --max-message 16 --url " + at, "16 has no unit"},
		{"conformance --url " + at + "/?a=1", "leave out ? and what follows"},
		{"selftest --connections 3", "want"},
		{"selftest --publishers 3", "multiple"},
		{"selftest --connections 4 --faults 1000", "--faults 1000: "},
		{"selftest --faults many", "--faults"},
		{"selftest --faults=-1", "--faults -1: want 0 or more"},
		{"fly", "unexpected argument fly"},
	} {
		t.Run(c.arguments, func(t *testing.T) {
			status, out, problem := loadgen(strings.Fields(c.arguments)...)
			if status != exitUsage || !strings.Contains(problem, c.problem) || strings.Count(problem, "\n") != 1 || out != "" {
				t.Errorf("exit status %d, standard error %q, output %q; want 2 and one line with %q", status, problem, out, c.problem)
			}
		})
	}
}

func TestAScenarioWithAnUnknownKeyIsPositioned(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(file, []byte("question: Why?\nconections: 5\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	status, _, problem := loadgen("run", file, "--url", "ws://127.0.0.1:1")
	if status != exitUsage || !strings.Contains(problem, file+":2:1: ") || !strings.Contains(problem, `did you mean "connections"?`) {
		t.Errorf("exit status %d, standard error %q", status, problem)
	}
}

func TestHelpAndVersion(t *testing.T) {
	for _, arguments := range [][]string{nil, {"--help"}, {"run", "--help"}, {"--version"}} {
		if status, out, problem := loadgen(arguments...); status != exitFine || out == "" || problem != "" {
			t.Errorf("loadgen %s: exit status %d, output %q, standard error %q", strings.Join(arguments, " "), status, out, problem)
		}
	}
}

func TestPlan(t *testing.T) {
	for _, c := range []struct{ arguments, want string }{
		{"plan --workload echo --connections 5 --rate 0", "measure      10s: 1 message in flight on each connection, as fast as they come back"},
		{"plan --workload echo --connections 5 --rate 10/s", "measure      10s: 100 publications, 100 deliveries"},
		{"plan --workload connect --connections 18000", "connections  18000, held open"},
		{"plan --connections 30000 --workers 2", "workers      2, at most 15001 connections and 15065 descriptors each"},
		{"plan --connections 1000 --rooms 10 --rate 100/s", "first 10 and last 3 of 1000:"},
		{"plan --connections 100 --rooms 10 --membership zipf --rate 1/s", "rooms        zipf:1: 3 to 34 subscribers each, median 6\n"},
		{"plan --sizes 128B:70,1KiB:25,16KiB:5", "sizes        128B 70%, 1KiB 25%, 16KiB 5%; 1165 bytes on average\n"},
		{"plan --rate 100/s --duration 24h", "memory       about 275 MiB,"},
		{"plan --arrivals poisson --rate 200/s", "arrivals     poisson: exponential gaps of 5ms on average\n"},
		{"plan --slow 1%", "slow         10 subscribers with a buffer of 4KiB, reading 1KiB/s\n"},
		{"plan --slow 1% --slow-pace 0", "slow         10 subscribers with a buffer of 4KiB, reading nothing\n"},
		{"plan --silent 1% --slow 1%", "measure      10s: 100 publications, 98000 deliveries\n"},
		{"plan --churn 50/s", "churn        50/s leave, 495 in all; each is back 100ms later\n"},
		{"plan --churn 50/s", "leaving in measure, first 10 and last 3 of 495:\n"},
		{"plan --reconnect 5s", "reconnect    after up to 100ms, then twice as much each time, up to 5s\n"},
		{"plan --json --sizes 64B:1,1KiB:1 --rooms 3", `"rooms": {
    "count": 3,
    "smallest": 333,
    "median": 333,
    "largest": 334
  }`},
		{"plan --csv --rate 2/s --warm-up 500ms --duration 1s --rooms 2 --connections 3", `phase,due_seconds,publisher,room,sequence,size_bytes,deliveries
warm-up,0.000000000,0,0,0,128,2
measure,0.000000000,1,1,0,128,1
measure,0.500000000,0,0,1,128,2
`},
	} {
		if status, out, problem := loadgen(strings.Fields(c.arguments)...); status != exitFine || !strings.Contains(out, c.want) {
			t.Errorf("loadgen %s: exit status %d, standard error %q, output\n%s\nwant %q", c.arguments, status, problem, out, c.want)
		}
	}
}

func TestParseTarget(t *testing.T) {
	for _, c := range []struct{ url, host, name, path string }{
		{"ws://127.0.0.1:9001", "127.0.0.1:9001", "127.0.0.1", ""},
		{"WS://localhost", "localhost", "localhost", ""},
		{"ws://[::1]:9001/", "[::1]:9001", "::1", "/"},
		{"ws://h:1/rooms/{room}?self=0", "h:1", "h", "/rooms/{room}?self=0"},
		{"ws://h:1?x=1", "h:1", "h", "/?x=1"},
	} {
		got, err := parseTarget(c.url)
		if err != nil || got.host != c.host || got.name != c.name || got.path != c.path {
			t.Errorf("%s: %+v, %v", c.url, got, err)
		}
	}
}

// command is loadgen as a process of its own.
func command(t *testing.T, arguments ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], arguments...)
	cmd.Env = append(os.Environ(), "LOADGEN_TEST=loadgen")
	return cmd
}
