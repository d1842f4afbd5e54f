package p11rpc

import (
	"bytes"
	"encoding/binary"
	"os"
	"testing"

	"vtoken/vtoken/ck"
)

// recorded are conversations between p11-kit-client.so and "p11-kit server" of
// Debian 12 (0.24.1, protocol version 0), with pkcs11-tool in front and SoftHSM
// behind: requests (">") and their answers ("<") as they went over the socket.
const recorded = "testdata/p11-kit-0.24.1.frames"

type exchange struct{ request, response []byte } // bodies

func readRecorded(t testing.TB) (list []exchange) {
	t.Helper()
	wire, err := os.ReadFile(recorded)
	if err != nil {
		t.Fatal(err)
	}
	for len(wire) > 0 {
		var pair exchange
		for i, direction := range []byte("><") {
			if wire[0] != direction {
				t.Fatalf("%s is not pairs of request and answer", recorded)
			}
			options, size := binary.BigEndian.Uint32(wire[5:]), binary.BigEndian.Uint32(wire[9:])
			start := 13 + options
			body := wire[start : start+size]
			wire = wire[start+size:]
			if i == 0 {
				pair.request = body
			} else {
				pair.response = body
			}
		}
		list = append(list, pair)
	}
	if len(list) < 40 {
		t.Fatalf("%d exchanges in %s, expected 40 at least", len(list), recorded)
	}
	return list
}

// What the stock peers said is read, and written again it is the same bytes.
func TestRecordedConversation(t *testing.T) {
	for i, x := range readRecorded(t) {
		var d Decoder
		call, err := d.Request(x.request)
		if err != nil {
			t.Fatalf("exchange %d: %v", i, err)
		}
		b := body{}
		values, err := readAll(&d, &b)
		if err != nil {
			t.Fatalf("exchange %d, request of %v: %v", i, call, err)
		}
		for _, v := range values {
			if q, ok := v.([]ck.AttributeQuery); ok {
				b.queries = q
			}
		}
		rewrite(t, call, calls[call].Request, values, x.request)

		err = d.Response(x.response, call)
		if rv, isCode := err.(ck.Error); isCode {
			var e Encoder
			e.Error(1, rv)
			if got := frameOf(t, e.Bytes()).Body; !bytes.Equal(got, x.response) {
				t.Errorf("exchange %d, error of %v:\ngot  %x\nwant %x", i, call, got, x.response)
			}
			continue
		}
		if err != nil {
			t.Fatalf("exchange %d, answer of %v: %v", i, call, err)
		}
		b.response = true
		values, err = readAll(&d, &b)
		if err != nil {
			t.Fatalf("exchange %d, answer of %v: %v", i, call, err)
		}
		rewrite(t, call, calls[call].Response, values, x.response)
	}
}

func rewrite(t *testing.T, call CallID, sig string, values []any, want []byte) {
	t.Helper()
	var e Encoder
	e.begin(1, call, sig)
	if err := writeAll(&e, values); err != nil {
		t.Fatalf("%v: %v", call, err)
	}
	if got := frameOf(t, e.Bytes()).Body; !bytes.Equal(got, want) {
		t.Errorf("%v (%s):\ngot  %x\nwant %x", call, sig, got, want)
	}
}
