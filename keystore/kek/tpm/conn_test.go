package tpm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-tpm/tpm2"
	"github.com/stretchr/testify/require"

	"vtoken/keystore/kek"
)

// fake is a TPM that gives canned answers, in pieces.
type fake struct {
	answers  [][]byte
	pieces   []byte
	commands int
}

func (f *fake) Write(b []byte) (int, error) {
	f.commands++
	if len(f.answers) == 0 {
		return 0, io.ErrClosedPipe
	}
	f.pieces, f.answers = f.answers[0], f.answers[1:]
	return len(b), nil
}

func (f *fake) Read(b []byte) (int, error) {
	if len(f.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), 7)], f.pieces)
	f.pieces = f.pieces[n:]
	return n, nil
}

func (f *fake) Close() error                { return nil }
func (f *fake) SetDeadline(time.Time) error { return nil }

func answer(code tpm2.TPMRC, more ...byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, 0x8001)
	b = binary.BigEndian.AppendUint32(b, uint32(responseHeader+len(more)))
	return append(binary.BigEndian.AppendUint32(b, uint32(code)), more...)
}

func TestBusyTPMIsAskedAgain(t *testing.T) {
	for _, code := range []tpm2.TPMRC{tpm2.TPMRCRetry, tpm2.TPMRCYielded, tpm2.TPMRCTesting} {
		f := &fake{answers: [][]byte{answer(code), answer(code), answer(0, 1, 2, 3)}}
		got, err := (&conn{ctx: t.Context(), s: f}).Send([]byte("command"))
		if err != nil || !bytes.Equal(got, answer(0, 1, 2, 3)) || f.commands != 3 {
			t.Errorf("%v: %x, %v after %d commands", code, got, err, f.commands)
		}
	}
}

func TestStrangeAnswers(t *testing.T) {
	long := answer(0)
	binary.BigEndian.PutUint32(long[2:], maxResponse+1)
	short := answer(0)
	binary.BigEndian.PutUint32(short[2:], 9)
	for name, a := range map[string][]byte{"empty": {}, "cut": answer(0)[:9], "cut later": answer(0, 1, 2)[:11], "long": long, "short": short} {
		_, err := (&conn{ctx: t.Context(), s: &fake{answers: [][]byte{a}}}).Send([]byte("command"))
		if !errors.Is(err, kek.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAdvice(t *testing.T) {
	for _, a := range advices {
		for _, err := range []error{unavailable("x", a.code), refused("x", a.code)} {
			if !errors.Is(err, kek.ErrUnavailable) || !strings.Contains(err.Error(), a.text) {
				t.Errorf("%v: %v", a.code, err)
			}
		}
	}
	err := refused("x", tpm2.TPMRCIntegrity)
	require.ErrorIs(t, err, kek.ErrWrongKey)
	require.False(t, errors.Is(err, kek.ErrUnavailable))
}

func FuzzBlob(f *testing.F) {
	b := &blob{auth: true, pcrs: []pcr{{index: 7}, {index: 11}}, private: []byte("private"), sealed: []byte("sealed")}
	f.Add(append(b.header(), b.sealed...))
	f.Add([]byte{'T', 1, 0, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		b, err := parseBlob(in)
		if err != nil {
			require.ErrorIs(t, err, kek.ErrWrongKey)
			return
		}
		again := append(b.header(), b.sealed...)
		require.Equal(t, in, again, "%x becomes %x", in, again)
		_, err = public(b)
		require.NoError(t, err)
	})
}

func FuzzURI(f *testing.F) {
	for _, seed := range []string{"tpm2:device=/dev/tpmrm0", "tpm2:tcp=127.0.0.1:2321?pcrs=7+11", "tpm2:unix=a?pcrs=1&auth-file=/b", "tpm2:unix=a?%"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := kek.Parse(s)
		if err != nil {
			return
		}
		to, err := parse(u)
		require.NotEqual(t, to.address == "" || to.network == "", err == nil)
		require.LessOrEqual(t, len(to.pcrs), numPCRs)
		if err != nil && !errors.Is(err, kek.ErrURI) {
			t.Error(err)
		}
	})
}
