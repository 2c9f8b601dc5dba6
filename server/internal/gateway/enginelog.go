//go:build linux

package gateway

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"syscall"
)

// engineLog gives gnet's messages to slog, one level down: what matters to an operator, the gateway says itself.
type engineLog struct {
	log         *slog.Logger
	descriptors *headroom
}

func (l engineLog) Debugf(string, ...any) {}

func (l engineLog) Infof(format string, args ...any) { l.log.Debug(fmt.Sprintf(format, args...)) }

func (l engineLog) Warnf(format string, args ...any) { l.log.Debug(fmt.Sprintf(format, args...)) }

// Errorf is also where gnet tells of a failed accept(2), on the loop where it failed; see [survivable].
func (l engineLog) Errorf(format string, args ...any) {
	if strings.HasPrefix(format, "Accept()") && len(args) == 1 {
		if errno, ok := args[0].(syscall.Errno); ok {
			l.descriptors.acceptFailed(errno, l.log)
			return
		}
	}
	l.log.Error(fmt.Sprintf(format, args...))
}

func (l engineLog) Fatalf(format string, args ...any) {
	l.log.Error(fmt.Sprintf(format, args...))
	os.Exit(1)
}
