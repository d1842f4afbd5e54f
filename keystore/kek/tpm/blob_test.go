package tpm

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/keystore/kek"
)

// blobOf is a wrapped key with these PCRs and sizes.
func blobOf(auth byte, private, sealed int, pcrs ...byte) []byte {
	out := []byte{'T', 1, auth, byte(len(pcrs))}
	for _, i := range pcrs {
		out = append(append(out, i), bytes.Repeat([]byte{i + 1}, sha256.Size)...)
	}
	out = append(out, bytes.Repeat([]byte{0xa}, 2+sha256.Size)...)
	out = append(out, bytes.Repeat([]byte{0xb}, sha256.Size)...)
	out = binary.BigEndian.AppendUint16(out, uint16(private))
	out = append(out, bytes.Repeat([]byte{0xc}, private)...)
	return append(out, bytes.Repeat([]byte{0xd}, sealed)...)
}

// allPCRs are the PCRs that a TPM has.
func allPCRs() (list []byte) {
	for i := range byte(24) {
		list = append(list, i)
	}
	return list
}

// A wrapped key is read as it was written, and what is next to its bounds is refused.
func TestBlob(t *testing.T) {
	for _, good := range [][]byte{
		blobOf(0, 1, 0), blobOf(1, 1024, 1), blobOf(0, 7, 9, 0), blobOf(1, 7, 9, 7, 11, 23), blobOf(0, 1, 1, allPCRs()...),
	} {
		b, err := parseBlob(good)
		require.NoError(t, err)
		require.Equal(t, good[2] == 1, b.auth)
		require.Equal(t, good, append(b.header(), b.sealed...))
		require.Len(t, b.pcrs, int(good[3]))
		for _, p := range b.pcrs {
			require.Equal(t, bytes.Repeat([]byte{p.index + 1}, sha256.Size), p.value[:])
		}
		require.Equal(t, bytes.Repeat([]byte{0xa}, 2+sha256.Size), b.primary[:])
		require.Equal(t, bytes.Repeat([]byte{0xb}, sha256.Size), b.unique[:])
		require.Equal(t, bytes.Repeat([]byte{0xc}, len(b.private)), b.private)
		for n := range len(good) - len(b.sealed) {
			_, err := parseBlob(good[:n])
			require.ErrorIs(t, err, kek.ErrWrongKey, "cut off at %d of %d", n, len(good))
		}
	}
	other := func(at int, value byte) []byte {
		b := blobOf(0, 7, 9, 7, 11)
		b[at] = value
		return b
	}
	for name, bad := range map[string][]byte{
		"another kind":     other(0, 'U'),
		"another version":  other(1, 2),
		"a flag":           other(2, 2),
		"too many PCRs":    blobOf(0, 7, 9, append(allPCRs(), 24)...),
		"no such PCR":      blobOf(0, 7, 9, 24),
		"a PCR twice":      blobOf(0, 7, 9, 7, 7),
		"another order":    blobOf(0, 7, 9, 11, 7),
		"no private part":  blobOf(0, 0, 9),
		"a long one":       blobOf(0, 1025, 9),
		"longer than ever": blobOf(0, 1, kek.MaxWrapped),
	} {
		_, err := parseBlob(bad)
		require.ErrorIs(t, err, kek.ErrWrongKey, name)
	}
	longest := blobOf(0, 1, 1)
	longest = append(longest, make([]byte, kek.MaxWrapped-len(longest))...)
	_, err := parseBlob(longest)
	require.NoError(t, err)
}

// A URI names a TPM, PCRs in any order, and a file, each once.
func TestURIs(t *testing.T) {
	read := func(text string) (target, error) {
		u, err := kek.Parse(text)
		require.NoError(t, err, text)
		return parse(u)
	}
	for text, want := range map[string]target{
		"tpm2:device=/d":                   {network: "device", address: "/d"},
		"tpm2:unix=/s":                     {network: "unix", address: "/s"},
		"tpm2:tcp=h:1":                     {network: "tcp", address: "h:1"},
		"tpm2:device=/d?pcrs=23+0+7":       {network: "device", address: "/d", pcrs: []uint8{0, 7, 23}},
		"tpm2:device=/d?auth-file=/w":      {network: "device", address: "/d", auth: "/w"},
		"tpm2:unix=/s?auth-file=w&pcrs=11": {network: "unix", address: "/s", auth: "w", pcrs: []uint8{11}},
	} {
		got, err := read(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{
		"tpm2:device", "tpm2:device=", "tpm2:udp=h:1", "tpm2:device=/d?pcrs=24", "tpm2:device=/d?pcrs=256", "tpm2:device=/d?pcrs=7+7",
		"tpm2:device=/d?pcrs=7+", "tpm2:device=/d?pcrs=-1", "tpm2:device=/d?pcrs=", "tpm2:device=/d?pcrs=1&pcrs=2", "tpm2:device=/d?x=1",
		"tpm2:device=/d?auth-file=a&auth-file=b", "tpm2:device=/d?auth-file", "tpm2:device=/d?%",
	} {
		_, err := read(text)
		require.ErrorIs(t, err, kek.ErrURI, text)
	}
}
