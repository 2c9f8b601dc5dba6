package main

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

// runHere runs the program in this process; only for command lines that do not serve.
func runHere(args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(args, &out, &err)
	return code, out.String(), err.String()
}

// TestManualIsTheHelp keeps the doc comment of main.go and --help the same.
func TestManualIsTheHelp(t *testing.T) {
	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	code, help, stderr := runHere("--help")
	if code != 0 || stderr != "" {
		t.Fatalf("--help: exit %d, stderr %q", code, stderr)
	}
	var manual strings.Builder
	for line := range strings.Lines(help) {
		manual.WriteString(strings.TrimRight("//\t"+line, "\t\n") + "\n")
	}
	if !strings.Contains(string(source), manual.String()) {
		t.Errorf("the manual in main.go does not contain what --help prints:\n%s", manual.String())
	}
	if strings.Contains(help, workerCommand+" ") {
		t.Errorf("the internal command shows in --help:\n%s", help)
	}
}

func TestVersion(t *testing.T) {
	code, out, _ := runHere("--workers=0", "--version")
	if code != 0 || !strings.HasPrefix(out, "server ") || !strings.Contains(out, "linux/") {
		t.Errorf("exit %d, %q", code, out)
	}
}

func TestWrongCommandLines(t *testing.T) {
	tests := []struct {
		args string
		want string // after "server: "
	}{
		{"--listen :9001", "--listen :9001: other hosts reach this address and nothing asks who connects: use 127.0.0.1:9001, or add --open"},
		{"--listen 0.0.0.0:80", "--listen 0.0.0.0:80: other hosts reach this address and nothing asks who connects: use 127.0.0.1:80, or add --open"},
		{"--listen [::]:80", "--listen [::]:80: other hosts reach this address"},
		{"--listen 192.0.2.1:80", "--listen 192.0.2.1:80: other hosts reach this address"},
		{"--admin :9002", "--admin :9002: other hosts reach this address"},
		{"--listen 127.0.0.1", `--listen "127.0.0.1": use HOST:PORT, such as 127.0.0.1:9001`},
		{"--listen 127.0.0.1:99999", "--listen 127.0.0.1:99999: address 99999: invalid port: use an address of this host"},
		{"--workers 0", "--workers 0: use 1 to 256"},
		{"--workers 257", "--workers 257: use 1 to 256"},
		{"--workers many", `--workers: expected a valid 64 bit int but got "many"`},
		{"--loops=-1", "--loops -1: use 1 to 1024, or 0 for its share of the processors"},
		{"--max-message 0", "--max-message 0B: use 1B to 1GiB"},
		{"--max-message 64kb", `--max-message: "64kb" is not a size: write bytes, or a whole number of KiB, MiB or GiB, such as 64KiB`},
		{"--max-message 2GiB --max-backlog 2GiB", "--max-message 2GiB: use 1B to 1GiB"},
		{"--max-message 200MiB --max-backlog 1GiB --workers 2", "--max-message 200MiB: use at most 134217451B with --workers 2, since messages cross between processes, or --workers 1"},
		{"--max-backlog 63KiB", "--max-backlog 63KiB: use at least --max-message, 64KiB: one message must fit; or 0"},
		{"--slow drop", `--slow must be one of "close","drop-oldest","drop-newest" but got "drop"`},
		{"--max-backlog-age 9ms", "--max-backlog-age 9ms: use 10ms to 1h0m0s, or 0s for any time"},
		{"--sndbuf 1KiB", "--sndbuf 1KiB: use 4KiB to 1GiB, or 0 to let the kernel choose"},
		{"--max-connections=-1", "--max-connections -1: use 1 to 1000000, or 0 for no limit of its own"},
		{"--max-connections 3 --workers 4", "--max-connections 3: use at least 4 with --workers 4, as each has its share"},
		{"--max-connections-per-address 1 --workers 2", "--max-connections-per-address 1: use at least 2 with --workers 2"},
		{"--handshake-rate 1 --workers 2", "--handshake-rate 1: use at least 2 with --workers 2"},
		{"--message-rate 1000001", "--message-rate 1000001: use 1 to 1000000, or 0 for no limit of its own"},
		{"--max-fragments=-1", "--max-fragments -1: use 1 to 1000000"},
		{"--handshake-timeout 0s", "--handshake-timeout 0s: use 10ms to 1h0m0s"},
		{"--message-timeout 2h", "--message-timeout 2h0m0s: use 10ms to 1h0m0s"},
		{"--close-timeout 9ms", "--close-timeout 9ms: use 10ms to 1h0m0s"},
		{"--ping-interval=-1s", "--ping-interval -1s: use 10ms to 1h0m0s, or 0s for no pings"},
		{"--origin good.com", "--origin good.com: use origins such as https://example.com:8443 or self, separated by commas, or * alone"},
		{"--origin *,https://good.com", "--origin *,https://good.com: use origins such as"},
		{"--subprotocol a,b,a", `--subprotocol "a": use distinct names of letters, digits and !#$%&'*+-.^_` + "`|~"},
		{"--subprotocol a/b", `--subprotocol "a/b": use distinct names`},
		{"--profile private", `--profile must be one of "local","public" but got "private"`},
		{"--drain=-1s", "--drain -1s: use 0s to 1h"},
		{"--drain 5", `--drain: expected duration but got "5"`},
		{"--log-level loud", `--log-level must be one of "debug","info","warn","error" but got "loud"`},
		{"--lisen 127.0.0.1:1", `unknown flag --lisen, did you mean "--listen"?`},
		{"serve", "unexpected argument serve"},
		{"worker", "worker: the supervisor starts its workers itself: use --workers"},
	}
	for _, test := range tests {
		code, stdout, stderr := runHere(strings.Fields(test.args)...)
		if code != exitUsage || stdout != "" || !strings.HasPrefix(stderr, "server: "+test.want) {
			t.Errorf("%s: exit %d, stdout %q, stderr\n  %q, want\n  %q", test.args, code, stdout, stderr, "server: "+test.want)
		}
	}
}

func TestDefaultsAndFlags(t *testing.T) {
	defaults := options{
		Listen: "127.0.0.1:9001", Admin: "127.0.0.1:9002", Workers: 1, MaxMessage: 64 << 10, Slow: "close", MaxBacklogAge: 5 * time.Second,
		FanoutIO: "uring",
		Profile:  "local", Origin: []string{"*"}, HandshakeTimeout: 5 * time.Second, MessageTimeout: 30 * time.Second,
		CloseTimeout: 5 * time.Second, PingInterval: 25 * time.Second,
		Drain: 5 * time.Second, LogLevel: "info",
	}
	with := func(change func(*options)) options {
		o := defaults
		change(&o)
		return o
	}
	public := func(o *options) {
		o.Profile, o.Origin = "public", []string{"self"}
		o.MaxConnectionsPerAddress, o.HandshakeRate, o.MessageRate = 100, 50, 100
	}
	tests := []struct {
		args string
		want options
	}{
		{"", defaults},
		{"--listen localhost:1 --admin [::1]:2", with(func(o *options) { o.Listen, o.Admin = "localhost:1", "[::1]:2" })},
		{"--listen :1 --admin 0.0.0.0:2 --open", with(func(o *options) { o.Listen, o.Admin, o.Open = ":1", "0.0.0.0:2", true })},
		{"--workers 4 --loops 2", with(func(o *options) { o.Workers, o.Loops = 4, 2 })},
		{"--max-message 1MiB --sndbuf 32KiB", with(func(o *options) { o.MaxMessage, o.Sndbuf = 1<<20, 32<<10 })},
		{"--max-backlog 65536", with(func(o *options) { o.MaxBacklog = 64 << 10 })},
		{"--slow drop-newest --max-backlog-age 0s", with(func(o *options) { o.Slow, o.MaxBacklogAge = "drop-newest", 0 })},
		{"--max-message 16MiB --deflate", with(func(o *options) { o.MaxMessage, o.Deflate = 16<<20, true })},
		{"--max-connections 1 --max-connections-per-address 2 --handshake-rate 3 --message-rate 4 --max-fragments 5", with(func(o *options) {
			o.MaxConnections, o.MaxConnectionsPerAddress, o.HandshakeRate, o.MessageRate, o.MaxFragments = 1, 2, 3, 4, 5
		})},
		{"--handshake-timeout 1s --message-timeout 2s --close-timeout 3s --ping-interval 0s", with(func(o *options) {
			o.HandshakeTimeout, o.MessageTimeout, o.CloseTimeout, o.PingInterval = time.Second, 2*time.Second, 3*time.Second, 0
		})},
		{"--origin self,https://a.example --subprotocol a,b", with(func(o *options) {
			o.Origin, o.Subprotocol = []string{"self", "https://a.example"}, []string{"a", "b"}
		})},
		{"--profile public", with(public)},
		{"--profile local", defaults},
		{"--message-rate 0 --profile public --origin *", with(func(o *options) {
			public(o)
			o.MessageRate, o.Origin = 0, []string{"*"} // flags win, though they say what the other profile does
		})},
		{"--fanout-io write", with(func(o *options) { o.FanoutIO = "write" })},
		{"--drain 0s --log-level debug", with(func(o *options) { o.Drain, o.LogLevel = 0, "debug" })},
	}
	for _, test := range tests {
		var stdout, stderr bytes.Buffer
		got, _, done := parse(strings.Fields(test.args), &stdout, &stderr)
		if done || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%q: got %+v, want %+v (stderr %q)", test.args, got, test.want, stderr.String())
		}
	}
}

// TestOptionsReachAWorker: what the supervisor writes to a worker reads back the same.
func TestOptionsReachAWorker(t *testing.T) {
	sent := hello{Worker: 3, Options: options{
		Listen: "127.0.0.1:1", Admin: "127.0.0.1:0", Workers: 4, Loops: 2, MaxMessage: 12345, MaxBacklog: 1 << 20, Sndbuf: 32 << 10,
		Slow: "drop-oldest", MaxBacklogAge: 10, FanoutIO: "write",
		Drain: time.Minute, LogLevel: "warn", Open: true,
		Profile: "public", MaxConnections: 1, MaxConnectionsPerAddress: 2, HandshakeRate: 3, MessageRate: 4, MaxFragments: 5,
		HandshakeTimeout: 6, MessageTimeout: 7, CloseTimeout: 8, PingInterval: 9,
		Origin: []string{"self"}, Subprotocol: []string{"a", "b"}, Deflate: true,
	}}
	sent.Backplane.URL, sent.Backplane.Token, sent.Backplane.MaxPayload = "nats://127.0.0.1:4", "secret", 12345
	line, err := json.Marshal(sent)
	if err != nil {
		t.Fatal(err)
	}
	var got hello
	if err := json.Unmarshal(line, &got); err != nil || !reflect.DeepEqual(got, sent) {
		t.Errorf("got %+v (%v), sent %+v", got, err, sent)
	}
}

func TestByteSize(t *testing.T) {
	tests := []struct {
		text  string
		bytes int64  // -1: refused
		print string // how it prints; empty: as text
	}{
		{"0", 0, "0B"},
		{"1", 1, "1B"},
		{"1023B", 1023, ""},
		{"1024", 1024, "1KiB"},
		{"64KiB", 64 << 10, ""},
		{"1536KiB", 1536 << 10, ""},
		{"1025B", 1025, ""},
		{"1024KiB", 1 << 20, "1MiB"},
		{"2GiB", 2 << 30, ""},
		{"8589934591GiB", 8589934591 << 30, ""},
		{"8589934592GiB", -1, ""},
		{"-1", -1, ""},
		{"", -1, ""},
		{"KiB", -1, ""},
		{"1.5MiB", -1, ""},
		{"1KB", -1, ""},
		{"1 KiB", -1, ""},
	}
	for _, test := range tests {
		var got byteSize
		err := got.UnmarshalText([]byte(test.text))
		if test.bytes < 0 {
			if err == nil {
				t.Errorf("%q: read as %d, want refused", test.text, got)
			}
			continue
		}
		if err != nil || int64(got) != test.bytes {
			t.Errorf("%q: got %d (%v), want %d", test.text, int64(got), err, test.bytes)
		}
		want := test.print
		if want == "" {
			want = test.text
		}
		if got.String() != want {
			t.Errorf("%q: prints as %q, want %q", test.text, got, want)
		}
	}
}

// TestShares: what the workers may is together what the command line says.
func TestShares(t *testing.T) {
	for _, workers := range []int{1, 2, 3, 7} {
		o := options{Workers: workers, MaxConnections: 1000, MaxConnectionsPerAddress: 7, HandshakeRate: 0, MessageRate: 9}
		var connections, perAddress int
		for i := range workers {
			share := o.share(i)
			if share.MaxConnections == 0 || share.MaxConnectionsPerAddress == 0 || share.HandshakeRate != 0 || share.MessageRate != 9 {
				t.Errorf("%d workers: worker %d has %+v", workers, i, share)
			}
			connections += share.MaxConnections
			perAddress += share.MaxConnectionsPerAddress
		}
		if connections != 1000 || perAddress != 7 {
			t.Errorf("%d workers: %d connections and %d per address in all, want 1000 and 7", workers, connections, perAddress)
		}
	}
}

// TestBacklogHoldsAMessage: the default grows with --max-message.
func TestBacklogHoldsAMessage(t *testing.T) {
	for _, test := range []struct{ message, backlog, want byteSize }{
		{64 << 10, 0, 1 << 20}, {16 << 20, 0, 16 << 20}, {64 << 10, 128 << 10, 128 << 10},
	} {
		if got := (options{MaxMessage: test.message, MaxBacklog: test.backlog}).maxBacklog(); got != test.want {
			t.Errorf("--max-message %v --max-backlog %v: %v, want %v", test.message, test.backlog, got, test.want)
		}
	}
}
