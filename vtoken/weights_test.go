package vtoken

import (
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

// The memory of a parameter is that of its bytes, and of the copy that the mechanism keeps.
func TestWeightOfParameters(t *testing.T) {
	for name, c := range map[string]struct {
		p    ck.Parameter
		want int
	}{
		"none":         {nil, 0},
		"numbers":      {ck.RSAPkcsPssParams{SLen: 32}, 0},
		"a block":      {ck.AESCtrParams{CounterBits: 32}, 0},
		"a length":     {ck.MACGeneralParams(12), 0},
		"bytes":        {ck.RawParameter(make([]byte, 16)), 32},
		"fields":       {ck.GCMParams{IV: make([]byte, 12), AAD: make([]byte, 100)}, 2 * 112},
		"empty fields": {ck.GCMParams{TagBits: 128}, 0},
		"a list":       {ck.OTPParams{{Value: make([]byte, 8)}, {Value: make([]byte, 3)}}, 2 * (2*32 + 11)},
		"parts":        {ck.SP800108Params{Data: []ck.PRFData{{Value: make([]byte, 5)}}}, 2 * (56 + 5)},
		"a pointer":    {&ck.WrapParams{AAD: make([]byte, 7)}, 0}, // of a call that does all its work at once
	} {
		require.Equal(t, c.want, parameterWeight(c.p), name)
	}
}

// What is told of the pace of a session: each change once, and nothing after its end.
func TestPaceOfASession(t *testing.T) {
	var told []bool
	s := &session{handle: 5}
	s.attachment = &attachment{client: &Client{onSlow: func(h ck.SessionHandle, slow bool) {
		require.EqualValues(t, 5, h)
		told = append(told, slow)
	}}}
	p := new(pace)
	p.tell(s, false)
	require.Empty(t, told)
	p.tell(s, true)
	p.tell(s, true)
	p.tell(s, false)
	p.tell(s, true)
	require.Equal(t, []bool{true, false, true}, told)
	p.end(s)
	require.Equal(t, []bool{true, false, true, false}, told)
	p.end(s)
	p.tell(s, true)
	require.Equal(t, []bool{true, false, true, false}, told, "it is over")

	quick := new(pace)
	told = nil
	quick.end(s)
	quick.tell(s, true)
	require.Empty(t, told)
}
