package engine

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"

	"fanbench/loadgen/internal/payload"
	"fanbench/loadgen/internal/plan"
	"fanbench/loadgen/internal/stamp"
	"fanbench/server/deflate"
)

// class says what a message is.
type class uint8

const (
	sound   class = iota
	absent        // no stamp
	corrupt       // a damaged stamp or padding, or one that this run cannot have sent
	foreign       // another run's stamp
)

// A seen is a message that arrived before, with what its stamp says.
type seen struct {
	message    []byte // as it arrived; in the cache's slab
	compressed bool
	class      class
	measured   bool
	room       int32
	publisher  int32
	slot       uint32 // of the publisher in its room
	sequence   uint32
	record     int32 // index of its PublicationRecord, -1 for none
	due, sent  int64 // CLOCK_MONOTONIC, nanoseconds
}

// A reader turns messages into what their stamps say. One publication arrives
// at thousands of connections: what is byte for byte what was checked before
// need not be checked again, and comparing costs a tenth of decoding.
type reader struct {
	plan  *plan.Plan
	run   uint32
	epoch int64

	timetable

	caches []cache // smallest messages first
	offset int     // where the last stamp was in its message
	other  seen    // the last message that cannot be cached
	before []byte  // what stands before the stamp in a payload

	seed  maphash.Seed
	whole []byte // the message inflated last
	most  int64  // bytes of it
}

func newReader(c Config, t timetable) *reader {
	return &reader{
		plan: c.Plan, run: c.RunID & stamp.MaxRun, epoch: c.Epoch, timetable: t,
		seed: maphash.MakeSeed(), most: maxMessage(c.Plan), caches: newCaches(c.Plan.Scenario()),
		before: payload.Before(c.Plan.Scenario().Payload),
	}
}

// cache is the one for messages of so many bytes, nil if there is none.
func (r *reader) cache(bytes int) *cache {
	for i := range r.caches {
		if bytes <= r.caches[i].slot {
			return &r.caches[i]
		}
	}
	return nil
}

// read returns what a message says. The result holds until the next call.
// fresh says that the message has not been seen before.
func (r *reader) read(message []byte) (said *seen, fresh bool) {
	if !stamp.At(message, r.offset) {
		r.offset = max(stamp.Index(message), 0)
	}
	end := r.offset + stamp.Size
	cache := r.cache(len(message))
	if len(message) < end || cache == nil {
		r.decode(&r.other, message)
		return &r.other, true
	}
	// The last eight characters of a stamp hold its checksum: as good a hash
	// of a publication as any.
	hash := binary.LittleEndian.Uint64(message[end-8:]) * 0x9E3779B97F4A7C15
	said = cache.at(hash)
	if !said.compressed && bytes.Equal(said.message, message) {
		return said, false
	}
	r.decode(&r.other, message)
	return r.keep(cache, hash, message), true
}

// inflate is read for a compressed message. It is inflated only if it has not
// been seen before: whole is it then, else nil. bits are its window's. err is a
// [*frame.Error].
func (r *reader) inflate(message []byte, bits uint8) (said *seen, whole []byte, err error) {
	hash := maphash.Bytes(r.seed, message)
	cache := r.cache(len(message))
	if cache != nil {
		if said = cache.at(hash); said.compressed && bytes.Equal(said.message, message) {
			return said, nil, nil
		}
	}
	if r.whole, err = deflate.Inflate(r.whole[:0], message, int(bits), r.most); err != nil {
		return nil, nil, err
	}
	r.decode(&r.other, r.whole)
	r.other.compressed = true
	if cache == nil {
		return &r.other, r.whole, nil
	}
	return r.keep(cache, hash, message), r.whole, nil
}

// keep puts what was decoded last into a cache, if it is sound.
func (r *reader) keep(cache *cache, hash uint64, message []byte) *seen {
	if r.other.class != sound {
		return &r.other
	}
	return cache.keep(hash, message, r.other)
}

// decode fills said from a message's stamp.
func (r *reader) decode(said *seen, message []byte) {
	*said = seen{record: -1}
	s, verdict := stamp.FindBehind(r.before, message)
	switch {
	case verdict == stamp.Absent:
		said.class = absent
		return
	case verdict == stamp.Corrupt:
		said.class = corrupt
		return
	case s.Run != r.run:
		said.class = foreign
		return
	case s.Publisher >= r.plan.Publishers() || s.Room != r.plan.PublisherRoom(s.Publisher) || s.Sequence >= uint64(r.limit[s.Publisher]):
		said.class = corrupt
		return
	}
	said.room, said.publisher, said.sequence = int32(s.Room), int32(s.Publisher), uint32(s.Sequence)
	said.slot = uint32(r.plan.Slot(s.Publisher))
	said.due = r.epoch + s.Due
	said.sent = said.due + s.Lag
	said.measured = said.sequence >= r.first[s.Publisher]
	if said.measured && r.records > 0 {
		said.record = int32(r.plan.Index(plan.Measure, s.Publisher, s.Sequence))
	}
}
