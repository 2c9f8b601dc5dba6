package vitals

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/procfs"
)

// process is one directory of a /proc made up for a test.
type process struct {
	pid, parent    int
	start          int
	state          string
	user, system   int // ticks
	childUser      int // ticks of waited-for children
	residentKB     int
	descriptors    int
	threadSwitches []int // voluntary switches, by thread
}

func fakeProc(t *testing.T, dir string, processes ...process) procfs.FS {
	t.Helper()
	old, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, d := range old {
		if err := os.RemoveAll(d); err != nil {
			t.Fatal(err)
		}
	}
	write := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range processes {
		if p.state == "" {
			p.state = "S"
		}
		home := filepath.Join(dir, fmt.Sprint(p.pid))
		write(filepath.Join(home, "stat"), fmt.Sprintf(
			"%d (a (b) c) %s %d 1 1 0 -1 4194560 10 0 0 0 %d %d %d 0 20 0 1 0 %d 1000 10 18446744073709551615%s\n",
			p.pid, p.state, p.parent, p.user, p.system, p.childUser, p.start, strings.Repeat(" 0", 27)))
		write(filepath.Join(home, "status"), fmt.Sprintf("Name:\ta\nVmRSS:\t%d kB\n", p.residentKB))
		for d := range p.descriptors {
			write(filepath.Join(home, "fd", fmt.Sprint(d)), "")
		}
		for i, n := range p.threadSwitches {
			write(filepath.Join(home, "task", fmt.Sprint(p.pid+i), "status"),
				fmt.Sprintf("Name:\ta\nvoluntary_ctxt_switches:\t%d\nnonvoluntary_ctxt_switches:\t1\n", n))
		}
	}
	for _, p := range processes { // the last thread is the one that forked
		if home := filepath.Join(dir, fmt.Sprint(p.parent)); exists(home) {
			last := p.parent + max(0, threadsOf(p.parent, processes)-1)
			list := filepath.Join(home, "task", fmt.Sprint(last), "children")
			before, _ := os.ReadFile(list)
			write(list, fmt.Sprintf("%s%d ", before, p.pid))
		}
	}
	fs, err := procfs.NewFS(dir)
	if err != nil {
		t.Fatal(err)
	}
	return fs
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func threadsOf(pid int, processes []process) int {
	for _, p := range processes {
		if p.pid == pid {
			return len(p.threadSwitches)
		}
	}
	return 0
}

// By the parents that processes name, and by the children that threads list, a
// tree has the same members.
func TestTreeFollowsItsProcesses(t *testing.T) {
	t.Run("by parents", func(t *testing.T) { followProcesses(t, false) })
	t.Run("by lists of children", func(t *testing.T) { followProcesses(t, true) })
}

func followProcesses(t *testing.T, listed bool) {
	dir, lists := t.TempDir(), ""
	if listed {
		lists = dir
	}
	root := process{pid: 10, parent: 1, start: 5, user: 100, system: 50, residentKB: 100, descriptors: 3, threadSwitches: []int{4, 5}}
	child := process{pid: 20, parent: 10, start: 6, user: 200, residentKB: 10, descriptors: 1, threadSwitches: []int{1}}
	grandchild := process{pid: 30, parent: 20, start: 7, system: 25, residentKB: 1, threadSwitches: []int{0}}
	stranger := process{pid: 40, parent: 1, start: 1, user: 999999, residentKB: 999999}

	fs := fakeProc(t, dir, root, child, grandchild, stranger)
	tree, err := newTree(fs, lists, 10)
	if err != nil {
		t.Fatal(err)
	}
	adopted := grandchild
	adopted.parent = 1
	reaping := root
	reaping.childUser = 200
	reused := stranger
	reused.pid = 20
	zombie := process{pid: 10, parent: 1, start: 5, state: "Z", user: 100, system: 50}

	for _, step := range []struct {
		name      string
		processes []process
		want      Reading
		gone      bool
	}{
		{"all alive", []process{root, child, grandchild, stranger},
			Reading{CPUSeconds: 3.75, ResidentBytes: 111 << 10, Processes: 3, Descriptors: 4, ContextSwitches: 14}, false},
		{"a child ends: its time moves to the parent, its own child stays a member", []process{reaping, adopted, stranger},
			Reading{CPUSeconds: 3.75, ResidentBytes: 101 << 10, Processes: 2, Descriptors: 3, ContextSwitches: 12}, false},
		{"its pid is used again by a stranger", []process{reaping, adopted, reused},
			Reading{CPUSeconds: 3.75, ResidentBytes: 101 << 10, Processes: 2, Descriptors: 3, ContextSwitches: 12}, false},
		{"only a zombie is left", []process{zombie, stranger}, Reading{}, true},
		{"nothing is left", []process{stranger}, Reading{}, true},
	} {
		fakeProc(t, dir, step.processes...)
		got, err := tree.Read(t.Context())
		if step.gone {
			if !errors.Is(err, ErrGone) {
				t.Errorf("%s: error %v, want ErrGone", step.name, err)
			}
			continue
		}
		if err != nil || got != step.want {
			t.Errorf("%s:\n got %+v, %v\nwant %+v", step.name, got, err, step.want)
		}
	}
}

func TestNewTreeRefuses(t *testing.T) {
	if _, err := NewTree(1 << 30); err == nil || !strings.Contains(err.Error(), "no process") {
		t.Errorf("a pid that does not exist: %v", err)
	}
	if _, err := NewTree(os.Getppid()); err == nil || !strings.Contains(err.Error(), "started this one") {
		t.Errorf("this process's parent: %v", err)
	}
	tree, err := NewTree(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	r, err := tree.Read(t.Context())
	if err != nil || r.ResidentBytes == 0 || r.Processes == 0 || r.Descriptors == 0 || r.ContextSwitches == 0 {
		t.Errorf("this process: %+v, %v", r, err)
	}
}

func TestEndpoint(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	never := make(chan struct{})
	t.Cleanup(func() { close(never) })
	for _, c := range []struct {
		name    string
		serve   http.HandlerFunc
		want    Reading
		problem string
	}{
		{"a reading, more fields allowed", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"cpu_seconds":1.5,"resident_bytes":4096,"processes":2,"descriptors":9,"context_switches":7,"pids":[1,2]}`)
		}, Reading{1.5, 4096, 2, 9, 7}, ""},
		{"not found", http.NotFound, Reading{}, "404"},
		{"no JSON", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }, Reading{}, "invalid character"},
		{"no resident memory", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"cpu_seconds":1}`) }, Reading{}, "lacks"},
		{"no answer", func(http.ResponseWriter, *http.Request) { <-never }, Reading{}, "deadline"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(c.serve)
			if c.problem != "deadline" {
				defer server.Close()
			}
			got, err := (&Endpoint{URL: server.URL}).Read(t.Context())
			if c.problem != "" {
				if err == nil || !strings.Contains(err.Error(), c.problem) {
					t.Fatalf("error %v, want %q", err, c.problem)
				}
				return
			}
			if err != nil || got != c.want {
				t.Fatalf("got %+v, %v, want %+v", got, err, c.want)
			}
		})
	}
}
