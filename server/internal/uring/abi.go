//go:build linux

package uring

// What follows is the kernel's interface, include/uapi/linux/io_uring.h, as far as it is used.

const (
	opSend         = 26         // IORING_OP_SEND
	opSupported    = 1 << 0     // IO_URING_OP_SUPPORTED
	singleMap      = 1 << 0     // IORING_FEAT_SINGLE_MMAP
	submissionsAt  = 0x10000000 // IORING_OFF_SQES
	enterGetEvents = 1 << 0     // IORING_ENTER_GETEVENTS
	registerProbe  = 8          // IORING_REGISTER_PROBE
)

// params is struct io_uring_params.
type params struct {
	sqEntries, cqEntries uint32
	flags, cpu, idle     uint32
	features, workers    uint32
	_                    [3]uint32
	submissions          offsets
	completions          offsets
}

// offsets is struct io_sqring_offsets and struct io_cqring_offsets, which are alike up to words.
type offsets struct {
	head, tail, mask, entries uint32
	words                     [4]uint32
	_                         [2]uint32
}

// numbers is where the queued numbers of submissions begin, in bytes.
func (o *offsets) numbers() uint32 { return o.words[2] }

// completions is where the completions begin, in bytes.
func (o *offsets) completions() uint32 { return o.words[1] }

// submission is struct io_uring_sqe as a send has it.
type submission struct {
	op      uint8
	_       uint8
	_       uint16
	fd      int32
	_       uint64
	address uint64
	bytes   uint32
	flags   uint32
	id      uint64
	_       [3]uint64
}

// completion is struct io_uring_cqe.
type completion struct {
	id     uint64
	result int32
	_      uint32
}

// operations is struct io_uring_probe.
type operations struct {
	last  uint8
	count uint8
	_     uint16
	_     [3]uint32
	known [256]operation
}

// operation is struct io_uring_probe_op.
type operation struct {
	_     uint8
	_     uint8
	flags uint16
	_     uint32
}
