package engine

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"fanbench/loadgen/result"
)

// Whose fault each bucket is: those of this package are the target's or that of
// the way to it, those of package result this machine's.
func TestWhoseFaultABucketIs(t *testing.T) {
	for file, own := range map[string]bool{"failures.go": false, "../../result/failure.go": true} {
		buckets := bucketsOf(t, file)
		if len(buckets) < 3 {
			t.Errorf("%s: buckets %q", file, buckets)
		}
		for _, bucket := range buckets {
			if got := (result.Failure{Bucket: bucket}).OwnMachine(); got != own {
				t.Errorf("%s: this machine's own: %v, want %v", bucket, got, own)
			}
		}
	}
}

// bucketsOf are the values of a file's constants that are called bucket.
func bucketsOf(t *testing.T, file string) (buckets []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		constant, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(strings.ToLower(constant.Names[0].Name), "bucket") {
			return true
		}
		value, err := strconv.Unquote(constant.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		buckets = append(buckets, value)
		return false
	})
	return buckets
}

func TestErrorsOfSockets(t *testing.T) {
	for errno, want := range map[unix.Errno]string{
		unix.ECONNREFUSED: "refused", unix.ECONNRESET: "reset", unix.EPIPE: "reset", unix.ETIMEDOUT: "timeout",
		unix.ENETUNREACH: "unreachable", unix.EHOSTUNREACH: "unreachable",
		unix.EADDRNOTAVAIL: "ports-exhausted", unix.EMFILE: "descriptors", unix.ENFILE: "descriptors",
		unix.ENOBUFS: "socket", unix.ENOMEM: "socket", unix.EPERM: "socket",
	} {
		if got := bucketOf(errno); got != want {
			t.Errorf("%v is %s, want %s", errno, got, want)
		}
	}
}
