package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

func TestServeAndDrain(t *testing.T) {
	for _, workers := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d workers", workers), func(t *testing.T) {
			p := serve(t, "--workers", strconv.Itoa(workers), "--drain", "2s")
			if status, body := p.get("/readyz"); status != 200 {
				t.Errorf("/readyz: %d %q", status, body)
			}
			if n := len(p.pids()); (workers == 1 && n != 1) || (workers > 1 && n != workers+1) {
				t.Errorf("%d processes for %d workers", n, workers)
			}
			echo, member := p.dial("/echo"), p.dial("/rooms/a")
			send(t, echo, "hello")
			receive(t, echo, "hello")
			send(t, member, "to all")
			receive(t, member, "to all")
			p.signal(syscall.SIGTERM)
			receiveClose(t, echo, websocket.CloseGoingAway)
			receiveClose(t, member, websocket.CloseGoingAway)
			if code := p.awaitEnd(); code != exitFine {
				t.Errorf("exit %d, want %d:\n%s", code, exitFine, p.logged())
			}
			if log := p.logged(); strings.Contains(log, "level=WARN") || strings.Contains(log, "level=ERROR") {
				t.Errorf("an ordinary life must log no warning:\n%s", log)
			}
		})
	}
}

// Fault 6: until its close each member gets all that is published, while others are closed and publishing goes on.
func TestDrainUnderLoad(t *testing.T) {
	for _, workers := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d workers", workers), func(t *testing.T) {
			p := serve(t, "--workers", strconv.Itoa(workers), "--drain", "2s")
			labelled := 0 // of one alone the metrics do not name it
			if workers > 1 {
				labelled = workers
			}
			members := p.join("load", 20, labelled)
			publisher, sent := p.dial("/rooms/load?self=0"), make(chan int)
			go func() { // what it sends after the server's close frame is nobody's
				n := 0
				for ; publisher.WriteMessage(websocket.TextMessage, []byte(strconv.Itoa(n))) == nil; n++ {
					time.Sleep(time.Millisecond)
				}
				sent <- n
			}()
			go publisher.NextReader() // which answers the close
			ends := make(chan error)
			for _, member := range members {
				member.SetReadDeadline(time.Now().Add(patience))
				go func() {
					for next := 0; ; next++ {
						_, got, err := member.ReadMessage()
						switch {
						case websocket.IsCloseError(err, websocket.CloseGoingAway) && next > 0:
							ends <- member.Close()
							return
						case err != nil || string(got) != strconv.Itoa(next):
							ends <- fmt.Errorf("received %q (%v), want publication %d or close 1001 after some", got, err, next)
							return
						}
					}
				}()
			}
			p.eventually("publishing", func() bool {
				_, body := p.get("/metrics")
				return deliveries.MatchString(body)
			})
			p.signal(syscall.SIGTERM)
			for range members {
				if err := <-ends; err != nil {
					t.Error(err)
				}
			}
			if code := p.awaitEnd(); code != exitFine {
				t.Errorf("exit %d, want %d:\n%s", code, exitFine, p.logged())
			}
			if n := <-sent; n == 0 {
				t.Error("nothing was published")
			}
		})
	}
}

var deliveries = regexp.MustCompile(`(?m)^fanbench_server_deliveries_total(?:\{worker="\d+"\})? [1-9]\d{2}`)

func TestDescriptorLimitIsRaised(t *testing.T) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	for _, workers := range []string{"1", "2"} {
		lowered := exec.Command("sh", "-c", `ulimit -S -n 256 && exec "$0" "$@"`, programPath,
			"--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--workers", workers)
		p := launchCommand(t, lowered)
		p.awaitServing()
		want := fmt.Sprintf("descriptors=%d hard_limit=%[1]d connections=", limit.Max)
		if log := p.logged(); !strings.Contains(log, want) {
			t.Errorf("%s workers: the log lacks %q:\n%s", workers, want, log)
		}
		for _, pid := range p.pids() {
			limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
			if err != nil {
				t.Fatal(err)
			}
			if soft := openFiles.FindSubmatch(limits); soft == nil || string(soft[1]) != string(soft[2]) {
				t.Errorf("%s workers: process %d: %s", workers, pid, soft)
			}
		}
	}
}

var openFiles = regexp.MustCompile(`Max open files +(\d+) +(\d+)`)

func TestPolicyIsAnnounced(t *testing.T) {
	for policy, args := range map[string][]string{"close": nil, "drop-oldest": {"--slow", "drop-oldest"}} {
		if got := serve(t, args...).metric(`fanbench_server_deliveries_dropped_total{policy="` + policy + `"}`); got != 0 {
			t.Errorf("%q: %v dropped by policy %s, want 0", args, got, policy)
		}
	}
}

func TestNotReadyWhileDraining(t *testing.T) {
	for _, workers := range []string{"1", "2"} {
		t.Run(workers+" workers", func(t *testing.T) {
			p := serve(t, "--workers", workers, "--drain", "1m")
			p.dial("/echo") // never reads, hence never answers the close
			p.signal(syscall.SIGTERM)
			p.eventually("/readyz says draining", func() bool {
				status, body := p.get("/readyz")
				return status == http.StatusServiceUnavailable && body == "draining\n"
			})
			if status, _ := p.get("/healthz"); status != http.StatusOK {
				t.Errorf("/healthz while draining: %d", status)
			}
		})
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	tests := []struct {
		workers string
		second  syscall.Signal
		code    int
	}{
		{"1", syscall.SIGINT, 130},
		{"1", syscall.SIGTERM, 143},
		{"2", syscall.SIGINT, 130},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%s workers %v", test.workers, test.second), func(t *testing.T) {
			p := serve(t, "--workers", test.workers, "--drain", "1m")
			p.dial("/echo") // never reads, hence never answers the close
			p.signal(syscall.SIGINT)
			p.eventually("draining", func() bool { return strings.Contains(p.logged(), "msg=draining") })
			p.signal(test.second)
			if code := p.awaitEnd(); code != test.code {
				t.Errorf("exit %d, want %d:\n%s", code, test.code, p.logged())
			}
		})
	}
}

func TestPublicationsCrossWorkers(t *testing.T) {
	p := serve(t, "--workers", "2")
	members := p.join("crossing", 16, 2)
	for i, publisher := range members {
		for k := range 3 {
			message := fmt.Sprintf("publication %d of member %d", k, i)
			send(t, publisher, message)
			for _, member := range members {
				receive(t, member, message)
			}
		}
	}
	publications := float64(3 * len(members))
	var received float64
	for _, worker := range []string{"0", "1"} {
		received += p.metric(`fanbench_server_backplane_received_total{worker="` + worker + `"}`)
		for _, none := range []string{"lost", "dropped", "errors"} {
			if n := p.metric(`fanbench_server_backplane_` + none + `_total{worker="` + worker + `"}`); n != 0 {
				t.Errorf("worker %s: %s %v, want 0", worker, none, n)
			}
		}
	}
	if received != publications {
		t.Errorf("the workers received %v publications of each other, want %v", received, publications)
	}
}

func TestKilledWorkerIsReplaced(t *testing.T) {
	p := serve(t, "--workers", "2")
	members := p.join("survivors", 16, 2)
	before := p.pids()
	if err := syscall.Kill(before[1], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p.eventually("worker 0 is ready again", func() bool {
		status, _ := p.get("/readyz")
		return status == http.StatusOK && p.metric(`fanbench_server_worker_restarts_total{worker="0"}`) == 1
	})
	if after := p.pids(); len(after) != 3 || after[0] != before[0] || after[1] == before[1] || after[2] != before[2] {
		t.Errorf("processes %v, were %v: want only the first worker replaced", after, before)
	}
	members = append(members, p.join("survivors", 1, 2)...)
	publisher := members[len(members)-1]
	send(t, publisher, "still here")
	alive := 0
	for _, member := range members {
		member.SetReadDeadline(time.Now().Add(patience))
		_, got, err := member.ReadMessage()
		switch {
		case err == nil && string(got) == "still here":
			alive++
		case err == nil || errors.Is(err, os.ErrDeadlineExceeded):
			t.Errorf("received %q (%v)", got, err)
		}
	}
	open := p.metric(`fanbench_server_connections_upgraded{worker="0"}`) + p.metric(`fanbench_server_connections_upgraded{worker="1"}`)
	if float64(alive) != open || alive == 0 {
		t.Errorf("%d members received the publication, %v connections are open", alive, open)
	}
}

func TestWorkersEndWithAKilledSupervisor(t *testing.T) {
	p := serve(t, "--workers", "2", "--drain", "1m")
	members := p.join("orphans", 4, 2)
	p.signal(syscall.SIGKILL)
	if code := p.awaitEnd(); code != -1 { // the workers hold its standard error: its end is theirs
		t.Errorf("exit %d, want killed", code)
	}
	for _, member := range members {
		member.SetReadDeadline(time.Now().Add(patience))
		if _, got, err := member.ReadMessage(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("received %q (%v), want the connection ended", got, err)
		}
	}
}

func TestAddressInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	other := serve(t) // shares its port with anybody who asks, as this server's loops do
	tests := map[string]struct {
		args []string
		want string
	}{
		"alone":                {[]string{"--listen", taken.Addr().String()}, "choose another --listen"},
		"with workers":         {[]string{"--listen", taken.Addr().String(), "--workers", "2"}, "choose another --listen"},
		"by another server":    {[]string{"--listen", other.listen}, "choose another --listen"},
		"admin":                {[]string{"--admin", taken.Addr().String()}, "choose another --admin"},
		"admin with workers":   {[]string{"--admin", taken.Addr().String(), "--workers", "2"}, "choose another --admin"},
		"no address of a host": {[]string{"--listen", "192.0.2.1:1", "--open"}, "cannot assign requested address"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := launch(t, test.args...)
			code, log := p.awaitEnd(), p.logged()
			if code != exitNoServe || !strings.Contains(log, test.want) || strings.Count(log, "\n") != 1 {
				t.Errorf("exit %d, want %d and one line with %q:\n%s", code, exitNoServe, test.want, log)
			}
		})
	}
}

// All addresses of this host are those of IPv4 as well.
func TestListensEverywhere(t *testing.T) {
	for _, listen := range []string{"0.0.0.0:0", ":0"} {
		p := serve(t, "--listen", listen, "--open")
		_, port, err := net.SplitHostPort(p.listen)
		if err != nil {
			t.Fatal(err)
		}
		p.listen = net.JoinHostPort("127.0.0.1", port)
		conn := p.dial("/echo")
		send(t, conn, "hello")
		receive(t, conn, "hello")
	}
}
