package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"unicode"

	"fanbench/loadgen/internal/engine"
	conduct "fanbench/loadgen/internal/run"
	"fanbench/loadgen/scenario"
)

// credentialFlags are what a target is trusted by, and what it trusts. What
// they bring is in no scenario, result or message.
type credentialFlags struct {
	CA        string   `name:"ca" placeholder:"FILE" group:"Run" help:"Trust the authorities in this PEM file besides the system's."`
	Insecure  bool     `group:"Run" help:"Do not check the target's certificate."`
	Header    []string `sep:"none" placeholder:"NAME:VALUE" group:"Run" help:"Add this header to every handshake; {connection} and {token} are replaced."`
	TokenFile string   `name:"token-file" placeholder:"FILE" group:"Run" help:"Take {token} from here, one line for each connection."`
}

// apply puts the flags, and what the scenario says, into a run's configuration.
func (f credentialFlags) apply(config *conduct.Config, t target) (err error) {
	if config.TLS, err = f.tls(config.Scenario.TLS.ServerName, t); err != nil {
		return err
	}
	own, err := f.headers()
	if err != nil {
		return err
	}
	for _, h := range config.Scenario.Headers {
		if !slices.ContainsFunc(own, func(o scenario.Header) bool { return strings.EqualFold(o.Name, h.Name) }) {
			config.Headers = append(config.Headers, h)
		}
	}
	config.Headers = append(config.Headers, own...)
	for _, h := range own {
		config.HeaderNames = append(config.HeaderNames, h.Name)
	}
	connections := config.Scenario.Connections
	if config.Scenario.Workload == scenario.Fanout {
		connections += config.Scenario.Publishers
	}
	config.Tokens, err = f.tokens(config.Headers, config.Scenario.Target, connections)
	return err
}

// tls is nil for a ws URL.
func (f credentialFlags) tls(serverName string, t target) (*engine.TLS, error) {
	switch {
	case !t.secure && f.CA != "":
		return nil, fmt.Errorf("--ca %s: --url %s has no TLS; give a wss URL", f.CA, t.url)
	case !t.secure && f.Insecure:
		return nil, fmt.Errorf("--insecure: --url %s has no TLS; give a wss URL", t.url)
	case !t.secure:
		return nil, nil
	case f.CA != "" && f.Insecure:
		return nil, errors.New("--ca and --insecure exclude each other; give one")
	}
	if serverName == "" {
		serverName = t.name
	}
	secured := &engine.TLS{ServerName: serverName, Insecure: f.Insecure}
	if f.CA == "" {
		return secured, nil
	}
	var err error
	if secured.Authorities, err = os.ReadFile(f.CA); err != nil {
		return nil, fmt.Errorf("--ca: %w", err)
	}
	if _, err := secured.Config(); err != nil {
		return nil, fmt.Errorf("--ca %s: no certificate in PEM form; want -----BEGIN CERTIFICATE-----", f.CA)
	}
	return secured, nil
}

// headers reads --header. Its errors do not repeat a value.
func (f credentialFlags) headers() (headers []scenario.Header, err error) {
	for i, text := range f.Header {
		name, value, both := strings.Cut(text, ":")
		if !both {
			return nil, fmt.Errorf("--header, number %d: no colon; want 'Name: value'", i+1)
		}
		if strings.ContainsFunc(value, unicode.IsControl) {
			return nil, fmt.Errorf("--header %s: the value holds a control character; leave it out", name)
		}
		var h scenario.Header
		if err := h.UnmarshalText([]byte(text)); err != nil {
			return nil, fmt.Errorf("--header %s: %w", name, err)
		}
		headers = append(headers, h)
	}
	return headers, nil
}

// tokens reads --token-file, which must be there if a header or the path asks
// for tokens, and only then.
func (f credentialFlags) tokens(headers []scenario.Header, paths scenario.Target, connections int) ([]string, error) {
	asks := ""
	if i := slices.IndexFunc(headers, func(h scenario.Header) bool { return strings.Contains(h.Value, scenario.TokenPlaceholder) }); i >= 0 {
		asks = "header " + headers[i].Name
	} else if paths.NeedsTokens() {
		asks = "the path"
	}
	switch {
	case asks == "" && f.TokenFile == "":
		return nil, nil
	case asks == "":
		return nil, fmt.Errorf("--token-file %s: no header and no path holds %s; give one with --header, or in --url", f.TokenFile, scenario.TokenPlaceholder)
	case f.TokenFile == "":
		return nil, fmt.Errorf("%s holds %s; give the tokens with --token-file FILE", asks, scenario.TokenPlaceholder)
	}
	text, err := os.ReadFile(f.TokenFile)
	if err != nil {
		return nil, fmt.Errorf("--token-file: %w", err)
	}
	var tokens []string
	for line := range strings.Lines(string(text)) {
		token := strings.TrimRight(line, "\r\n")
		if token == "" || strings.ContainsFunc(token, unicode.IsControl) {
			return nil, fmt.Errorf("%s:%d: want one token a line, of printable characters", f.TokenFile, len(tokens)+1)
		}
		tokens = append(tokens, token)
	}
	if len(tokens) < connections {
		return nil, fmt.Errorf("--token-file %s: %d tokens for %d connections; give each its own", f.TokenFile, len(tokens), connections)
	}
	return tokens[:connections], nil
}
