//go:build linux

package gateway

import (
	"fmt"
	"log/slog"
	"os"
)

// engineLog gives gnet's messages to slog, one level down: what matters to an operator, the gateway says itself.
type engineLog struct{ log *slog.Logger }

func (l engineLog) Debugf(string, ...any) {}

func (l engineLog) Infof(format string, args ...any) { l.log.Debug(fmt.Sprintf(format, args...)) }

func (l engineLog) Warnf(format string, args ...any) { l.log.Debug(fmt.Sprintf(format, args...)) }

func (l engineLog) Errorf(format string, args ...any) { l.log.Error(fmt.Sprintf(format, args...)) }

func (l engineLog) Fatalf(format string, args ...any) {
	l.log.Error(fmt.Sprintf(format, args...))
	os.Exit(1)
}
