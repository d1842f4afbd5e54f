package p11rpc

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// A byte after the last value of a request or an answer is an error, whatever the call.
func TestTrailingByte(t *testing.T) {
	for _, version := range Versions() {
		for _, id := range append([]CallID{CallError}, Calls(version)...) {
			if id != CallError {
				trailingByte(t, version, id, calls[id].Request, false)
			}
			trailingByte(t, version, id, calls[id].Response, true)
		}
	}
}

func trailingByte(t *testing.T, version byte, id CallID, sig string, response bool) {
	t.Helper()
	e, d := Encoder{Version: version}, Decoder{Version: version}
	e.begin(77, id, sig)
	require.NoError(t, writeAll(&e, sample(id, sig, response, 0)), "%v, %v", version, id)
	d.start(append(bytes.Clone(frameOf(t, e.Bytes()).Body), 0), !response)
	_, err := readAll(&d, &body{response: response})
	require.ErrorIs(t, err, ErrMalformed, "%v, %v", version, id)
}

// An error of the server with bytes after it is malformed, not that error.
func TestErrorWithTrailingByte(t *testing.T) {
	var e Encoder
	var d Decoder
	e.Error(1, 5)
	answer := frameOf(t, e.Bytes()).Body
	require.EqualError(t, d.Response(answer, CallGetInfo), "CKR_GENERAL_ERROR")
	require.ErrorIs(t, d.Response(append(bytes.Clone(answer), 0), CallGetInfo), ErrMalformed)
}

// The number of an error is no request, whatever signature comes with it.
func TestErrorIsNoRequest(t *testing.T) {
	body := make([]byte, 8) // call 0, and a signature of no bytes
	var d Decoder
	_, err := d.Request(body)
	require.ErrorIs(t, err, ErrMalformed)
}
