// Package doctor compares what a host offers with what the scenarios need, and
// says for each shortfall what to do about it.
//
// [Examine] is pure: a Host and the scenarios in, rows out. [ReadHost] is where
// the numbers come from, [Print] how they are shown. Nothing here changes the
// host; loadgen's own preflight fixes what a process may fix for itself.
package doctor

import (
	"fmt"
	"strings"

	"fanbench/bench/internal/human"
	"fanbench/loadgen/scenario"
)

// Status of a row.
type Status string

const (
	OK   Status = "ok"
	Warn Status = "warn" // runs, but the numbers may suffer
	Fail Status = "fail" // the scenarios in Blocks cannot run
)

// Row is one limit of the host.
type Row struct {
	Name   string
	Value  string
	Need   string // "" where nothing is asked for
	Status Status
	Remedy string   // "" when ok
	Blocks []string // scenarios that this limit keeps from running
}

// Report is the whole examination.
type Report struct {
	Rows      []Row
	Scenarios []string // all that were asked about
}

// Runnable lists the scenarios that no row blocks.
func (r Report) Runnable() []string {
	blocked := map[string]bool{}
	for _, row := range r.Rows {
		for _, name := range row.Blocks {
			blocked[name] = true
		}
	}
	var names []string
	for _, name := range r.Scenarios {
		if !blocked[name] {
			names = append(names, name)
		}
	}
	return names
}

// What a run takes beyond its connections, estimated generously.
const (
	// reserveDescriptors of one process: listeners, epoll, pipes, /proc files.
	reserveDescriptors = 64
	// connectionBytes is resident memory of both ends (3.2 KiB at the budgets
	// of server and generator) and the kernel's two sockets with their small
	// buffers.
	connectionBytes = 24 << 10
	// programBytes is what the processes take without any connection.
	programBytes = 512 << 20
	// queueBytes is the socket memory of one connection with a modest backlog.
	queueBytes = 16 << 10
	// loopbackSources: 127.0.0.1 to 127.0.0.254.
	loopbackSources = 254
)

// Examine judges each of the host's limits against the scenarios.
func Examine(h Host, scenarios []scenario.Scenario) Report {
	rep := Report{}
	for _, s := range scenarios {
		rep.Scenarios = append(rep.Scenarios, s.Name)
	}
	for _, check := range []func(Host, []scenario.Scenario) Row{
		kernel, descriptors, ports, memory, socketMemory, buffers, acceptQueue, synBacklog,
		tracking, processors, governor, steal, load,
	} {
		if row := check(h, scenarios); row.Name != "" {
			rep.Rows = append(rep.Rows, row)
		}
	}
	return rep
}

// connections is how many a scenario opens in all.
func connections(s scenario.Scenario) int {
	if s.Workload == scenario.Fanout {
		return s.Connections + s.Publishers
	}
	return s.Connections
}

// largest returns the scenario that needs most, and its need.
func largest(scenarios []scenario.Scenario, need func(scenario.Scenario) int) (string, int) {
	name, most := "", 0
	for _, s := range scenarios {
		if n := need(s); n > most {
			name, most = s.Name, n
		}
	}
	return name, most
}

// blocked lists the scenarios that need more than there is.
func blocked(scenarios []scenario.Scenario, have int, need func(scenario.Scenario) int) []string {
	var names []string
	for _, s := range scenarios {
		if need(s) > have {
			names = append(names, s.Name)
		}
	}
	return names
}

// limit builds the row of a countable limit: fail with the scenarios it blocks.
func limit(name, value string, have int, scenarios []scenario.Scenario, need func(scenario.Scenario) int,
	unit func(int) string, remedy string,
) Row {
	who, most := largest(scenarios, need)
	row := Row{Name: name, Value: value, Status: OK, Need: fmt.Sprintf("%s (%s)", unit(most), who)}
	if who == "" {
		row.Need = ""
	}
	if row.Blocks = blocked(scenarios, have, need); len(row.Blocks) > 0 {
		row.Status, row.Remedy = Fail, remedy
	}
	return row
}

// floor builds the row of a setting that only costs accuracy when it is low.
func floor(name, value string, have, need int, want, remedy string) Row {
	row := Row{Name: name, Value: value, Need: want, Status: OK}
	if have < need {
		row.Status, row.Remedy = Warn, remedy
	}
	return row
}

func kernel(h Host, scenarios []scenario.Scenario) Row {
	row := Row{Name: "kernel", Value: h.Kernel, Need: "4.14 (receive time stamps on TCP)", Status: OK}
	var major, minor int
	if _, err := fmt.Sscanf(h.Kernel, "%d.%d", &major, &minor); err == nil && major*1000+minor < 4014 {
		row.Status, row.Remedy = Fail, "boot Linux 4.14 or later"
		for _, s := range scenarios {
			row.Blocks = append(row.Blocks, s.Name)
		}
	}
	return row
}

func descriptors(h Host, scenarios []scenario.Scenario) Row {
	need := func(s scenario.Scenario) int {
		// Ports and workers split the connections about evenly, not exactly:
		// SO_REUSEPORT hashes, so leave a tenth.
		perServer := connections(s) / max(1, s.Server.Workers)
		if s.Server.Workers > 1 {
			perServer += perServer / 10
		}
		perWorker := connections(s)/max(1, s.Workers) + 1
		return max(perServer, perWorker) + reserveDescriptors
	}
	return limit("descriptors", human.Grouped(h.DescriptorsHard)+" per process", int(h.DescriptorsHard), scenarios, need,
		func(n int) string { return human.Grouped(uint64(n)) },
		"raise the hard limit (ulimit -Hn, or LimitNOFILE= of the service), or give the scenario more workers on both sides")
}

func ports(h Host, scenarios []scenario.Scenario) Row {
	per := h.PortLast - h.PortFirst + 1
	return limit("local ports", fmt.Sprintf("%s per source address (%d–%d)", human.Grouped(uint64(per)), h.PortFirst, h.PortLast),
		per*loopbackSources, scenarios, connections,
		func(n int) string {
			return fmt.Sprintf("%d source addresses of 127.0.0.0/8", (n+per-1)/max(1, per))
		},
		"sysctl -w net.ipv4.ip_local_port_range='10240 65535'")
}

func memory(h Host, scenarios []scenario.Scenario) Row {
	need := func(s scenario.Scenario) int { return programBytes + connections(s)*connectionBytes }
	return limit("memory", human.Bytes(float64(h.MemoryAvailable))+" available", int(h.MemoryAvailable), scenarios, need,
		func(n int) string { return "about " + human.Bytes(float64(n)) },
		"end what else uses memory, or run smaller scenarios")
}

func socketMemory(h Host, scenarios []scenario.Scenario) Row {
	who, need := largest(scenarios, func(s scenario.Scenario) int { return connections(s) * queueBytes })
	if h.TCPMemPressure == 0 || who == "" {
		return Row{}
	}
	return floor("tcp_mem", human.Bytes(float64(h.TCPMemPressure))+" before pressure", h.TCPMemPressure, need,
		fmt.Sprintf("about %s (%s)", human.Bytes(float64(need)), who),
		fmt.Sprintf("sysctl -w net.ipv4.tcp_mem='%d %d %d'", need/4096, need/4096*2, need/4096*3))
}

func buffers(h Host, _ []scenario.Scenario) Row {
	const need = 1 << 20
	if h.ReceiveBufferMax == 0 || h.SendBufferMax == 0 {
		return Row{}
	}
	return floor("tcp_rmem, tcp_wmem", human.Pair(human.Bytes, float64(h.ReceiveBufferMax), float64(h.SendBufferMax))+" at most",
		min(h.ReceiveBufferMax, h.SendBufferMax), need, "1 MiB each",
		"sysctl -w net.ipv4.tcp_rmem='4096 131072 6291456' net.ipv4.tcp_wmem='4096 16384 4194304'")
}

// inFlight is how many handshakes may wait to be accepted at once.
func inFlight(s scenario.Scenario) int { return min(s.Phases.Ramp.InFlight, connections(s)) }

func acceptQueue(h Host, scenarios []scenario.Scenario) Row {
	who, need := largest(scenarios, inFlight)
	if h.Somaxconn == 0 || who == "" {
		return Row{}
	}
	return floor("somaxconn", human.Grouped(uint64(h.Somaxconn)), h.Somaxconn, need,
		fmt.Sprintf("%s (%s)", human.Grouped(uint64(need)), who),
		fmt.Sprintf("sysctl -w net.core.somaxconn=%d; a full accept queue makes handshakes wait a second for the next try", max(4096, need)))
}

func synBacklog(h Host, scenarios []scenario.Scenario) Row {
	who, need := largest(scenarios, inFlight)
	if h.SynBacklog == 0 || who == "" {
		return Row{}
	}
	// With SYN cookies a short backlog costs options, not connections.
	need /= 2
	return floor("tcp_max_syn_backlog", human.Grouped(uint64(h.SynBacklog)), h.SynBacklog, need,
		fmt.Sprintf("%s (%s)", human.Grouped(uint64(need)), who),
		fmt.Sprintf("sysctl -w net.ipv4.tcp_max_syn_backlog=%d", max(4096, need)))
}

func tracking(h Host, scenarios []scenario.Scenario) Row {
	if h.TrackingMax == 0 {
		return Row{}
	}
	free := h.TrackingMax - h.TrackingCount
	return limit("conntrack", fmt.Sprintf("%s of %s free", human.Grouped(uint64(max(0, free))), human.Grouped(uint64(h.TrackingMax))),
		free, scenarios, connections,
		func(n int) string { return human.Grouped(uint64(n)) },
		"sysctl -w net.netfilter.nf_conntrack_max=262144, or exempt loopback (iptables -t raw -A OUTPUT -o lo -j NOTRACK)")
}

func processors(h Host, _ []scenario.Scenario) Row {
	row := Row{Name: "CPUs", Value: fmt.Sprintf("%d", h.CPUs), Need: "2, server and generator share them", Status: OK}
	have := float64(h.CPUs)
	if h.CPUQuota > 0 && h.CPUQuota < have {
		have = h.CPUQuota
		row.Value += fmt.Sprintf(", cgroup quota %.3g", h.CPUQuota)
	}
	if have < 2 {
		row.Status, row.Remedy = Warn, "run on a machine with two or more CPUs: expect the generator to be the limit here"
	}
	return row
}

func governor(h Host, _ []scenario.Scenario) Row {
	if h.Governor == "" {
		return Row{}
	}
	row := Row{Name: "CPU governor", Value: h.Governor, Need: "performance", Status: OK}
	if h.Governor != "performance" {
		row.Status, row.Remedy = Warn, "cpupower frequency-set -g performance"
	}
	return row
}

func steal(h Host, _ []scenario.Scenario) Row {
	return share("CPU steal", h.Steal, 0.02, "another guest is using this machine's CPUs: repeat, or move to a dedicated host")
}

func load(h Host, _ []scenario.Scenario) Row {
	remedy := "end other work before measuring"
	if len(h.Busiest) > 0 {
		remedy += " (busiest: " + strings.Join(h.Busiest, ", ") + ")"
	}
	return share("other load", h.Busy, 0.1, remedy)
}

// share judges a share of all CPUs over a short sample; absent: no such source.
func share(name string, value *float64, atMost float64, remedy string) Row {
	if value == nil {
		return Row{}
	}
	row := Row{
		Name: name, Value: fmt.Sprintf("%.1f %% of the CPUs", *value*100),
		Need: fmt.Sprintf("at most %.0f %%", atMost*100), Status: OK,
	}
	if *value > atMost {
		row.Status, row.Remedy = Warn, remedy
	}
	return row
}
