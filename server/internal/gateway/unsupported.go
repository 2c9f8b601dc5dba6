//go:build !linux

package gateway

// The server is built on epoll and Linux's SO_REUSEPORT.
var _ = fanbench_server_runs_on_linux_only
