package trial

import (
	"context"
	"fmt"

	"fanbench/bench/internal/subject"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

// Target is a server under measurement and how it is started. A program takes
// --listen and --admin, answers /readyz on the latter once it accepts
// connections on the former, and ends on SIGTERM; what Shell starts asks for
// less.
type Target struct {
	Name    string // in results and tables; "" is the program's
	Program string
	// URL is a target that runs already, ws://host:port: nothing is started and
	// its processes are not watched. "" for one that is started.
	URL string
	// Shell starts any other server, instead of Program; nil for none.
	Shell *Shell
	// About is what is known of the program; nil reads it off the program.
	About *result.Subject

	// Peer is the kind that the program serves when it is one of bench/peers,
	// which know nothing of the reference server's flags; "" for the reference
	// server.
	Peer string
	// Library is the path of the Go module that a peer stands for; "" for none.
	Library string
}

// ShellPath is the shell that starts a [Shell].
const ShellPath = "/bin/sh"

// Shell is a server that a shell command starts, in a process group of its own:
// SIGTERM ends the group, and what is left of it is killed.
type Shell struct {
	// Command finds its loopback port in $PORT, and where {port} stands.
	Command string
	Dir     string // where it runs
	// Path of its URLs, with {room} where the room's name goes; "" for the
	// reference server's paths.
	Path string
	// Ready is the path that answers 200 OK, over HTTP on the same port, once the
	// server is ready; "" asks only whether it accepts connections.
	Ready string
}

// arguments are the command line without the program.
func (t Target) arguments(listen, admin string, s scenario.Server) []string {
	addresses := []string{"--listen", listen, "--admin", admin}
	if t.Peer != "" {
		return append([]string{t.Peer}, addresses...)
	}
	own := append(addresses, "--workers", fmt.Sprint(max(1, s.Workers)), "--drain", drain.String())
	return append(own, s.Flags...)
}

// Refuses says why a scenario would not be the same work for this target as for
// the reference server; "" if it is.
func (t Target) Refuses(s scenario.Scenario) string {
	switch {
	case t.Peer == "":
		return ""
	case s.Server.Workers > 1:
		return fmt.Sprintf("it wants %d server processes, and %s is one", s.Server.Workers, t.Name)
	case s.Deflate:
		return fmt.Sprintf("it wants permessage-deflate, and %s does not compress", t.Name)
	}
	return ""
}

// describe says what will be measured.
func (t Target) describe(ctx context.Context) (result.Subject, error) {
	if t.About != nil {
		return *t.About, nil
	}
	if t.URL != "" {
		return result.Subject{Name: t.URL}, nil
	}
	about, err := subject.Read(ctx, t.Program)
	if err != nil {
		return about, err
	}
	if t.Name != "" {
		about.Name = t.Name
	}
	if t.Library != "" {
		if about.Version, err = subject.Library(t.Program, t.Library); err != nil {
			return about, err
		}
	}
	return about, nil
}
