package backplane

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// A Broker is a NATS server inside this process, on a loopback port that only holders of its token can use.
type Broker struct {
	nats *server.Server
	addr Address
}

// Address is what a link needs to reach a broker. It holds a secret: hand it over by pipe, not by command line.
type Address struct {
	URL        string `json:"url"`
	Token      string `json:"token"`
	MaxPayload int    `json:"max_payload_bytes"` // the largest publication's payload that the broker takes, in bytes
}

// pendingBytes bounds what the broker keeps for a link that reads too slowly. Beyond it the broker ends that link, whose
// losses then show as gaps.
const pendingBytes = 256 << 20

// MaxPayload is the largest payload, in bytes, that a broker can be asked to carry.
const MaxPayload = pendingBytes/2 - batchHeader - publicationHeader - maxRoomName

// StartBroker starts a broker for publications of up to maxPayload bytes.
func StartBroker(maxPayload int, log *slog.Logger) (*Broker, error) {
	if maxPayload > MaxPayload {
		return nil, fmt.Errorf("start broker: payloads of %d bytes, at most %d can cross workers", maxPayload, MaxPayload)
	}
	addr := Address{Token: rand.Text(), MaxPayload: maxPayload}
	nats, err := server.NewServer(&server.Options{
		ServerName:      "fanbench-backplane",
		Host:            "127.0.0.1",
		Port:            server.RANDOM_PORT,
		Authorization:   addr.Token,
		MaxPayload:      int32(max(batchBytes, maxPayload+batchHeader+publicationHeader+maxRoomName)),
		MaxPending:      pendingBytes,
		MaxControlLine:  server.MAX_CONTROL_LINE_SIZE,
		NoSigs:          true,
		NoSystemAccount: true,
	})
	if err != nil {
		return nil, fmt.Errorf("start broker: %w", err)
	}
	nats.SetLogger(brokerLog{log}, false, false)
	nats.Start()
	if !nats.ReadyForConnections(5 * time.Second) {
		nats.Shutdown()
		return nil, errors.New("start broker: not ready after 5s")
	}
	addr.URL = nats.ClientURL()
	return &Broker{nats, addr}, nil
}

// Address is where links connect.
func (b *Broker) Address() Address { return b.addr }

// Close ends the broker and every link to it.
func (b *Broker) Close() {
	b.nats.Shutdown()
	b.nats.WaitForShutdown()
}

// brokerLog passes on what an operator must act upon: the broker's start and its connections are no news.
type brokerLog struct{ *slog.Logger }

func (l brokerLog) Errorf(format string, v ...any) {
	l.Error("broker", "error", fmt.Sprintf(format, v...))
}
func (l brokerLog) Fatalf(format string, v ...any) {
	l.Error("broker", "error", fmt.Sprintf(format, v...))
}
func (l brokerLog) Warnf(format string, v ...any) {
	l.Debug("broker", "warning", fmt.Sprintf(format, v...))
}
func (brokerLog) Noticef(string, ...any) {}
func (brokerLog) Debugf(string, ...any)  {}
func (brokerLog) Tracef(string, ...any)  {}
