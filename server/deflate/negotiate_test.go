package deflate

import (
	"strings"
	"testing"
)

const plainResponse = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

func TestNegotiate(t *testing.T) {
	tests := []struct {
		name, offers string
		bits         int // 0: declined
	}{
		// RFC 7692 §7.1.3 and what browsers send.
		{"7.1 plain", "permessage-deflate", 15},
		{"7.1.3 hint without a value", "permessage-deflate; client_max_window_bits", 15},
		{"7.1.3 one window", "permessage-deflate; client_max_window_bits; server_max_window_bits=10", 10},
		{"7.1.3 fallback", "permessage-deflate; client_max_window_bits; server_max_window_bits=10, permessage-deflate; client_max_window_bits", 10},
		{"5 another extension first", "bbf-usp-protocol, permessage-deflate", 15},
		{"9.1 name in quotes", `x-webkit-deflate-frame; no_context_takeover; max=8; "q"="r", permessage-deflate`, 0},
		{"5 another extension with a quoted value", `foo; bar="baz"; server_max_window_bits=3, permessage-deflate`, 15},
		{"5 no permessage-deflate", "x-webkit-deflate-frame", 0},
		{"5 nothing", "", 0},
		{"5 names are exact", "PerMessage-Deflate", 0},

		// Flags.
		{"7.1.1.1 server_no_context_takeover", "permessage-deflate; server_no_context_takeover", 15},
		{"7.1.1.1 with a value", "permessage-deflate; server_no_context_takeover=1", 0},
		{"7.1.1.2 client_no_context_takeover", "permessage-deflate; client_no_context_takeover", 15},
		{"7.1.1.2 with a value", `permessage-deflate; client_no_context_takeover="true"`, 0},

		// Windows.
		{"7.1.2.1 smallest", "permessage-deflate; server_max_window_bits=8", 8},
		{"7.1.2.1 largest", "permessage-deflate; server_max_window_bits=15", 15},
		{"7.1.2.1 quoted", `permessage-deflate; server_max_window_bits="12"`, 12},
		{"7.1.2.1 quoted, escaped", `permessage-deflate; server_max_window_bits="\1\2"`, 12},
		{"7.1.2.1 without a value", "permessage-deflate; server_max_window_bits", 0},
		{"7.1.2.1 leading zero", "permessage-deflate; server_max_window_bits=09", 0},
		{"7.1.2.1 not a number", "permessage-deflate; server_max_window_bits=ten", 0},
		{"7.1.2.1 hexadecimal", "permessage-deflate; server_max_window_bits=0x9", 0},
		{"7.1.2.1 negative", "permessage-deflate; server_max_window_bits=-9", 0},
		{"7.1.2.1 signed", "permessage-deflate; server_max_window_bits=+9", 0},
		{"7.1.2.1 long", "permessage-deflate; server_max_window_bits=" + strings.Repeat("9", 99), 0},
		{"7.1.2.2 the client's, with a value", "permessage-deflate; client_max_window_bits=9", 15},
		{"7.1.2.2 the client's, leading zero", "permessage-deflate; client_max_window_bits=08", 0},

		// Row 60: duplicate or unknown parameter, 7 and 16 bits.
		{"60 server window 7", "permessage-deflate; server_max_window_bits=7", 0},
		{"60 server window 16", "permessage-deflate; server_max_window_bits=16", 0},
		{"60 client window 7", "permessage-deflate; client_max_window_bits=7", 0},
		{"60 client window 16", "permessage-deflate; client_max_window_bits=16", 0},
		{"60 unknown", "permessage-deflate; mystery", 0},
		{"60 unknown with a value", "permessage-deflate; server_max_window=10", 0},
		{"60 name in capitals", "permessage-deflate; SERVER_NO_CONTEXT_TAKEOVER", 0},
		{"60 duplicate flag", "permessage-deflate; server_no_context_takeover; server_no_context_takeover", 0},
		{"60 other duplicate flag", "permessage-deflate; client_no_context_takeover; client_no_context_takeover", 0},
		{"60 duplicate window", "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10", 0},
		{"60 duplicate client window", "permessage-deflate; client_max_window_bits=10; client_max_window_bits=11", 0},
		{"60 duplicate bare client window", "permessage-deflate; client_max_window_bits; client_max_window_bits", 0},
		{"60 bare and valued client window", "permessage-deflate; client_max_window_bits; client_max_window_bits=10", 0},
		{"60 valued and bare client window", "permessage-deflate; client_max_window_bits=10; client_max_window_bits", 0},
		{"60 9 bits are honoured", "permessage-deflate; server_max_window_bits=9", 9},
		{"60 then a legal one", "permessage-deflate; server_max_window_bits=16, permessage-deflate; mystery, permessage-deflate; server_max_window_bits=11", 11},

		// Offers in the manner of the Autobahn suite's sections 12 and 13, with
		// their lists of fallbacks.
		{"13.1", "permessage-deflate; client_no_context_takeover; client_max_window_bits", 15},
		{"13.2", "permessage-deflate; client_no_context_takeover; client_max_window_bits; server_no_context_takeover", 15},
		{"13.3", "permessage-deflate; client_no_context_takeover; client_max_window_bits; server_max_window_bits=9", 9},
		{"13.4", "permessage-deflate; client_no_context_takeover; client_max_window_bits; server_max_window_bits=15", 15},
		{"13.5", "permessage-deflate; client_no_context_takeover; client_max_window_bits; server_no_context_takeover; server_max_window_bits=9", 9},
		{"13.6", "permessage-deflate; client_no_context_takeover; client_max_window_bits; server_no_context_takeover; server_max_window_bits=15", 15},
		{"13.7", "permessage-deflate; client_no_context_takeover; client_max_window_bits; server_no_context_takeover; server_max_window_bits=9, " +
			"permessage-deflate; client_no_context_takeover; client_max_window_bits; server_no_context_takeover, " +
			"permessage-deflate; client_no_context_takeover; client_max_window_bits", 9},

		// RFC 6455 §9.1: the list's form.
		{"9.1 empty elements and spaces", " , ,permessage-deflate ;\tserver_max_window_bits = 10 ,", 10},
		{"9.1 two tokens", "permessage-deflate server_no_context_takeover", 0},
		{"9.1 no name", "; server_no_context_takeover", 0},
		{"9.1 no parameter", "permessage-deflate;", 0},
		{"9.1 no value", "permessage-deflate; server_max_window_bits=", 0},
		{"9.1 empty quotes", `permessage-deflate; server_max_window_bits=""`, 0},
		{"9.1 open quotes", `permessage-deflate; server_max_window_bits="10`, 0},
		{"9.1 escape at the end", `permessage-deflate; server_max_window_bits="10\`, 0},
		{"9.1 no token in quotes", `permessage-deflate; server_max_window_bits="1 0"`, 0},
		{"9.1 nothing after what is malformed", "foo; =, permessage-deflate", 0},
		{"9.1 not ASCII", "permessage-deflate\xff", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, response, ok := Negotiate(test.offers)
			if ok != (test.bits > 0) || p.ServerMaxWindowBits != test.bits {
				t.Fatalf("%q: %+v, %q, %v; want %d bits", test.offers, p, response, ok, test.bits)
			}
			if !ok {
				if response != "" || p != (Params{}) {
					t.Errorf("%q: declined with %+v, %q", test.offers, p, response)
				}
				return
			}
			if p.ClientMaxWindowBits != MaxWindowBits {
				t.Errorf("%q: client's window is %d bits", test.offers, p.ClientMaxWindowBits)
			}
			bare, window, named := strings.Cut(response, "; server_max_window_bits=")
			if bare != plainResponse || named && window != map[int]string{8: "8", 9: "9", 10: "10", 11: "11", 12: "12", 15: "15"}[test.bits] {
				t.Errorf("%q: answered by %q", test.offers, response)
			}
			if !named && test.bits != 15 || named && !strings.Contains(test.offers, "server_max_window_bits") {
				t.Errorf("%q: answered by %q", test.offers, response)
			}
		})
	}
}

func TestOffer(t *testing.T) {
	const base = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits"
	for offer, want := range map[Offer]string{
		{}:                        base,
		{ServerMaxWindowBits: 9}:  base + "; server_max_window_bits=9",
		{ServerMaxWindowBits: 15}: base + "; server_max_window_bits=15",
	} {
		if got := offer.String(); got != want {
			t.Errorf("%+v is %q, want %q", offer, got, want)
		}
		_, response, ok := Negotiate(offer.String())
		if _, err := offer.Accept(response); !ok || err != nil {
			t.Errorf("%+v is answered by %q, and that by %v", offer, response, err)
		}
	}
}

func TestAccept(t *testing.T) {
	tests := []struct {
		name     string
		offer    Offer
		response string
		want     Params
		problem  string
	}{
		{"the server's own", Offer{}, plainResponse, Params{15, 15}, ""},
		{"client free to take over", Offer{}, "permessage-deflate; server_no_context_takeover", Params{15, 15}, ""},
		{"7.1.2.1 window unasked", Offer{}, plainResponse + "; server_max_window_bits=10", Params{10, 15}, ""},
		{"7.1.2.1 window as asked", Offer{10}, plainResponse + "; server_max_window_bits=10", Params{10, 15}, ""},
		{"7.1.2.1 window smaller than asked", Offer{10}, plainResponse + "; server_max_window_bits=8", Params{8, 15}, ""},
		{"7.1.2.2 window for the client", Offer{}, plainResponse + "; client_max_window_bits=9", Params{15, 9}, ""},
		{"13.5 both", Offer{}, plainResponse + "; client_max_window_bits=9; server_max_window_bits=15", Params{15, 9}, ""},

		{"5 none", Offer{}, "", Params{}, "names none"},
		{"5 empty elements", Offer{}, " , ", Params{}, "names none"},
		{"5 another extension", Offer{}, "x-webkit-deflate-frame", Params{}, "unknown extension"},
		{"5 another one too", Offer{}, plainResponse + ", foo", Params{}, "more than one"},
		{"5 twice", Offer{}, plainResponse + ", " + plainResponse, Params{}, "more than one"},
		{"5 unknown parameter", Offer{}, plainResponse + "; mystery", Params{}, "unknown parameter"},
		{"7.1.1.1 missing", Offer{}, "permessage-deflate; client_no_context_takeover", Params{}, "server_no_context_takeover was offered"},
		{"7.1.1.1 twice", Offer{}, plainResponse + "; server_no_context_takeover", Params{}, "server_no_context_takeover is named twice"},
		{"7.1.1.2 with a value", Offer{}, "permessage-deflate; server_no_context_takeover; client_no_context_takeover=1", Params{}, "client_no_context_takeover has a value"},
		{"7.1.2.1 missing", Offer{10}, plainResponse, Params{}, "server_max_window_bits was offered"},
		{"7.1.2.1 larger", Offer{10}, plainResponse + "; server_max_window_bits=11", Params{}, "server_max_window_bits is larger"},
		{"7.1.2.1 without a value", Offer{}, plainResponse + "; server_max_window_bits", Params{}, "server_max_window_bits is not a number"},
		{"7.1.2.1 of 16 bits", Offer{}, plainResponse + "; server_max_window_bits=16", Params{}, "server_max_window_bits is not a number"},
		{"7.1.2.2 without a value", Offer{}, plainResponse + "; client_max_window_bits", Params{}, "client_max_window_bits without a value"},
		{"7.1.2.2 of 7 bits", Offer{}, plainResponse + "; client_max_window_bits=7", Params{}, "client_max_window_bits is not a number"},
		{"9.1 malformed", Offer{}, plainResponse + ";", Params{}, "malformed"},
		{"9.1 two tokens", Offer{}, plainResponse + " foo", Params{}, "malformed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.offer.Accept(test.response)
			if got != test.want || (err == nil) != (test.problem == "") {
				t.Fatalf("%q: %+v, %v; want %+v, %q", test.response, got, err, test.want, test.problem)
			}
			if err != nil && !strings.Contains(err.Error(), test.problem) {
				t.Errorf("%q: %v; want %q", test.response, err, test.problem)
			}
		})
	}
}
