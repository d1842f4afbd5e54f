package p11rpc

import (
	"encoding/binary"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

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
	require.NoError(t, err)
	for len(wire) > 0 {
		var pair exchange
		for i, direction := range []byte("><") {
			require.Equal(t, direction, wire[0], "%v", recorded)
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
	require.GreaterOrEqual(t, len(list), 40, "%v", recorded)
	return list
}

// What the stock peers said is read, and written again it is the same bytes.
func TestRecordedConversation(t *testing.T) {
	for i, x := range readRecorded(t) {
		var d Decoder
		call, err := d.Request(x.request)
		require.NoError(t, err, "%v", i)
		b := body{}
		values, err := readAll(&d, &b)
		require.NoError(t, err, "%v, %v", i, call)
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
			require.Equal(t, x.response, frameOf(t, e.Bytes()).Body, "%v, %v", i, call)
			continue
		}
		require.NoError(t, err, "%v, %v", i, call)
		b.response = true
		values, err = readAll(&d, &b)
		require.NoError(t, err, "%v, %v", i, call)
		rewrite(t, call, calls[call].Response, values, x.response)
	}
}

func rewrite(t *testing.T, call CallID, sig string, values []any, want []byte) {
	t.Helper()
	var e Encoder
	e.begin(1, call, sig)
	require.NoError(t, writeAll(&e, values), "%v", call)
	require.Equal(t, want, frameOf(t, e.Bytes()).Body, "%v, %v", call, sig)
}
