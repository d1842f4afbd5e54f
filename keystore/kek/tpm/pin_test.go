package tpm

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-tpm/tpm2"
	"github.com/stretchr/testify/require"

	"vtoken/keystore/kek"
	"vtoken/keystore/kek/kektest/swtpm"
)

const (
	folder = "/var/lib/vtoken"
	idA    = "000102030405060708090a0b0c0d0e0f"
	idB    = "ffeeddccbbaa99887766554433221100"
	noID   = "0001"
)

// pinnerOf is a TPM as the daemon has it before it opens a store.
func pinnerOf(t *testing.T, tpm *swtpm.TPM) kek.Pinner {
	t.Helper()
	list := Pinners([]string{tpm.URI()}, t.TempDir(), "/none")
	require.Len(t, list, 1)
	return list[0]
}

// ids are the ids that a TPM has for a folder.
func ids(t *testing.T, p kek.Pinner, folder string) (ids []string) {
	t.Helper()
	pins, err := p.ReadPins(t.Context(), folder)
	require.NoError(t, err)
	for _, pin := range pins {
		ids = append(ids, pin.ID)
	}
	return ids
}

// define makes an index as another program would, and writes it where there is content.
func define(t *testing.T, tpm *swtpm.TPM, public tpm2.TPMSNVPublic, auth, content []byte) {
	t.Helper()
	command(t, tpm, func(c *conn) error {
		_, err := tpm2.NVDefineSpace{AuthHandle: owner(), Auth: tpm2.TPM2BAuth{Buffer: auth}, PublicInfo: tpm2.New2B(public)}.Execute(c)
		if err != nil || content == nil {
			return err
		}
		i := pinIndex{handle: public.NVIndex, public: public}
		return i.fill(c, content)
	})
}

// TestPin: the id of a store is there for its folder only, through a restart of the TPM, and
// until its owner removes it.
func TestPin(t *testing.T) {
	tpm := start(t, swtpm.New)
	p := pinnerOf(t, tpm)
	require.Empty(t, ids(t, p, folder))
	pin, err := p.WritePin(t.Context(), folder, idA)
	require.NoError(t, err)
	require.Equal(t, idA, pin.ID)
	require.False(t, pin.Unfinished)
	require.Regexp(t, "^NV index 0x1[0-9a-f]{6} of the TPM at "+tpm.Socket()+"$", pin.Where)
	require.Regexp(t, "tpm2_nvundefine 0x1[0-9a-f]{6}$", pin.Undo)
	require.Equal(t, []string{idA}, ids(t, p, folder))
	require.Empty(t, ids(t, p, folder+"2"))

	again, err := p.WritePin(t.Context(), folder, idA)
	require.NoError(t, err)
	require.Equal(t, pin, again)
	other, err := p.WritePin(t.Context(), folder, idB)
	require.ErrorIs(t, err, kek.ErrPinned)
	require.Equal(t, pin, other)
	_, err = p.WritePin(t.Context(), folder+"2", idB)
	require.NoError(t, err)

	require.NoError(t, tpm.Stop())
	_, err = p.ReadPins(t.Context(), folder)
	require.ErrorIs(t, err, kek.ErrUnavailable)
	_, err = p.WritePin(t.Context(), folder, idA)
	require.ErrorIs(t, err, kek.ErrUnavailable)
	require.ErrorIs(t, p.RemovePins(t.Context(), folder), kek.ErrUnavailable)
	require.NoError(t, tpm.Start())
	require.Equal(t, []string{idA}, ids(t, p, folder))

	require.NoError(t, p.RemovePins(t.Context(), folder))
	require.Empty(t, ids(t, p, folder))
	require.Equal(t, []string{idB}, ids(t, p, folder+"2"))
	require.NoError(t, p.RemovePins(t.Context(), folder), "nothing to remove")
	_, err = p.WritePin(t.Context(), folder, idB)
	require.NoError(t, err)
	require.Equal(t, []string{idB}, ids(t, p, folder))
	_, err = p.WritePin(t.Context(), folder, noID)
	require.Error(t, err)
	command(t, tpm, nothingLeft)
}

// TestPinIsLocked: not even the owner writes the index again, after a restart either.
func TestPinIsLocked(t *testing.T) {
	tpm := start(t, swtpm.New)
	p := pinnerOf(t, tpm)
	_, err := p.WritePin(t.Context(), folder, idA)
	require.NoError(t, err)
	at := placeOf(folder)
	for range 2 {
		command(t, tpm, func(c *conn) error {
			list, err := at.indices(c)
			require.NoError(t, err)
			require.Len(t, list, 1)
			require.Equal(t, at.first, list[0].handle)
			require.ErrorIs(t, list[0].fill(c, at.content(make([]byte, pinID))), tpm2.TPMRCNVLocked)
			named, err := list[0].named()
			require.NoError(t, err)
			_, err = tpm2.NVWrite{ // by the empty auth value, with which everybody reads it
				AuthHandle: tpm2.AuthHandle{Handle: at.first, Name: named.Name, Auth: tpm2.PasswordAuth(nil)},
				NVIndex:    named, Data: tpm2.TPM2BMaxNVBuffer{Buffer: at.content(make([]byte, pinID))},
			}.Execute(c)
			require.Error(t, err)
			return nil
		})
		require.NoError(t, tpm.Stop())
		require.NoError(t, tpm.Start())
	}
	require.Equal(t, []string{idA}, ids(t, p, folder))
}

// TestPinBesideOthers: what other programs and other folders have at the handles of a pin is
// left alone, and the next handle is used.
func TestPinBesideOthers(t *testing.T) {
	at := placeOf(folder)
	ours := publicOfPin(at.first)
	with := func(change func(*tpm2.TPMSNVPublic)) tpm2.TPMSNVPublic {
		p := ours
		change(&p)
		return p
	}
	elsewhere := placeOf("/elsewhere").content(make([]byte, pinID))
	for name, other := range map[string]struct {
		public        tpm2.TPMSNVPublic
		auth, content []byte
	}{
		"of another folder":                                {ours, nil, elsewhere},
		"of another format":                                {ours, nil, bytes.Repeat([]byte{0xff}, pinSize)},
		"of zeros":                                         {ours, nil, make([]byte, pinSize)},
		"with an auth value":                               {ours, []byte("theirs"), at.content(make([]byte, pinID))},
		"not written, of another size":                     {with(func(p *tpm2.TPMSNVPublic) { p.DataSize = 8 }), nil, nil},
		"not written, with a policy":                       {with(func(p *tpm2.TPMSNVPublic) { p.AuthPolicy.Buffer = make([]byte, 32) }), nil, nil},
		"not written, with more attributes":                {with(func(p *tpm2.TPMSNVPublic) { p.Attributes.AuthWrite = true }), nil, nil},
		"that everybody writes, with the content of a pin": {with(func(p *tpm2.TPMSNVPublic) { p.Attributes.AuthWrite = true }), nil, at.content(make([]byte, pinID))},
	} {
		t.Run(name, func(t *testing.T) {
			tpm := start(t, swtpm.New)
			p := pinnerOf(t, tpm)
			define(t, tpm, other.public, other.auth, other.content)
			require.Empty(t, ids(t, p, folder))
			require.NoError(t, p.RemovePins(t.Context(), folder))
			_, err := p.WritePin(t.Context(), folder, idA)
			require.NoError(t, err)
			require.Equal(t, []string{idA}, ids(t, p, folder))
			command(t, tpm, func(c *conn) error {
				list, err := at.indices(c)
				require.NoError(t, err)
				require.Len(t, list, 2, "what was there is still there")
				require.Empty(t, list[0].id)
				require.Equal(t, at.first+1, list[1].handle)
				// The pin is found when the other index is gone, too.
				return list[0].remove(c)
			})
			require.Equal(t, []string{idA}, ids(t, p, folder))
			_, err = p.WritePin(t.Context(), folder, idB)
			require.ErrorIs(t, err, kek.ErrPinned)
			require.NoError(t, p.RemovePins(t.Context(), folder))
			require.Empty(t, ids(t, p, folder))
		})
	}
}

// TestNoHandleForAPin: where other programs have all handles, there is no pin.
func TestNoHandleForAPin(t *testing.T) {
	tpm := start(t, swtpm.New)
	p := pinnerOf(t, tpm)
	at := placeOf(folder)
	for h := at.first; h < at.first+pinHandles; h++ {
		define(t, tpm, publicOfPin(h), []byte("theirs"), at.content(make([]byte, pinID)))
	}
	require.Empty(t, ids(t, p, folder))
	_, err := p.WritePin(t.Context(), folder, idA)
	require.ErrorIs(t, err, kek.ErrUnavailable)
	require.ErrorContains(t, err, "tpm2_nvundefine")
}

// TestTwoPins: somebody with the owner's rights added a pin of another store. It is read, too, so
// that neither store is taken for the one that was there.
func TestTwoPins(t *testing.T) {
	tpm := start(t, swtpm.New)
	p := pinnerOf(t, tpm)
	_, err := p.WritePin(t.Context(), folder, idA)
	require.NoError(t, err)
	at := placeOf(folder)
	raw, err := hex.DecodeString(idB)
	require.NoError(t, err)
	define(t, tpm, publicOfPin(at.first+2), nil, at.content(raw))
	require.Equal(t, []string{idA, idB}, ids(t, p, folder))
	require.NoError(t, p.RemovePins(t.Context(), folder))
	require.Empty(t, ids(t, p, folder))
}

// TestPinOfAKilledProgram: a program that is killed while it writes a pin leaves an index that is
// not written, or not locked. The next one finishes it.
func TestPinOfAKilledProgram(t *testing.T) {
	at := placeOf(folder)
	raw, err := hex.DecodeString(idA)
	require.NoError(t, err)
	for name, content := range map[string][]byte{"before it is written": nil, "before it is locked": at.content(raw)} {
		t.Run(name, func(t *testing.T) {
			tpm := start(t, swtpm.New)
			p := pinnerOf(t, tpm)
			define(t, tpm, publicOfPin(at.first), nil, content)
			pins, err := p.ReadPins(t.Context(), folder)
			require.NoError(t, err)
			if content != nil {
				require.Len(t, pins, 1)
				require.Equal(t, idA, pins[0].ID)
				require.True(t, pins[0].Unfinished)
				_, err = p.WritePin(t.Context(), folder, idB)
				require.ErrorIs(t, err, kek.ErrPinned)
			} else {
				require.Empty(t, pins)
			}
			pin, err := p.WritePin(t.Context(), folder, idA)
			require.NoError(t, err)
			require.False(t, pin.Unfinished)
			pins, err = p.ReadPins(t.Context(), folder)
			require.NoError(t, err)
			require.Equal(t, []kek.Pin{pin}, pins, "at the same handle, and locked")
			require.Contains(t, pin.Undo, pinIndex{handle: at.first}.String()[len("NV index "):])
		})
	}
}

// TestPinOfClearedTPM: who clears the TPM removes its KEKs and pins.
func TestPinOfClearedTPM(t *testing.T) {
	tpm := start(t, swtpm.New)
	p := pinnerOf(t, tpm)
	_, err := p.WritePin(t.Context(), folder, idA)
	require.NoError(t, err)
	command(t, tpm, func(c *conn) error {
		_, err := tpm2.Clear{AuthHandle: tpm2.TPMRHLockout}.Execute(c)
		return err
	})
	require.Empty(t, ids(t, p, folder))
	_, err = p.WritePin(t.Context(), folder, idB)
	require.NoError(t, err)
	require.Equal(t, []string{idB}, ids(t, p, folder))
}

// TestNoRoomForAPin: a TPM whose memory is full of other indices takes no pin, and says so.
func TestNoRoomForAPin(t *testing.T) {
	tpm := start(t, swtpm.New)
	p := pinnerOf(t, tpm)
	command(t, tpm, func(c *conn) error {
		for size := uint16(1024); size > 0; {
			public := publicOfPin(0)
			public.DataSize = size
			var err error
			for h := firstHandle; err == nil && h < firstHandle+1000; h++ {
				public.NVIndex = h + tpm2.TPMHandle(size)<<10
				_, err = tpm2.NVDefineSpace{AuthHandle: owner(), PublicInfo: tpm2.New2B(public)}.Execute(c)
			}
			if !errors.Is(err, tpm2.TPMRCNVSpace) {
				return err
			}
			size /= 2
		}
		return nil
	})
	require.Empty(t, ids(t, p, folder))
	_, err := p.WritePin(t.Context(), folder, idA)
	require.ErrorIs(t, err, kek.ErrUnavailable)
	require.ErrorContains(t, err, "it has no room for another")
	require.Empty(t, ids(t, p, folder))
}

// TestPinAndOwnerPassword: everybody reads a pin, also where the owner has a password, and only
// the owner writes and removes it.
func TestPinAndOwnerPassword(t *testing.T) {
	tpm := start(t, swtpm.New)
	p := pinnerOf(t, tpm)
	_, err := p.WritePin(t.Context(), folder, idA)
	require.NoError(t, err)
	command(t, tpm, func(c *conn) error {
		_, err := tpm2.HierarchyChangeAuth{AuthHandle: tpm2.TPMRHOwner, NewAuth: tpm2.TPM2BAuth{Buffer: []byte("x")}}.Execute(c)
		return err
	})
	require.Equal(t, []string{idA}, ids(t, p, folder))
	for _, err := range []error{p.RemovePins(t.Context(), folder), func() error {
		_, err := p.WritePin(t.Context(), folder+"2", idA)
		return err
	}()} {
		require.ErrorIs(t, err, kek.ErrUnavailable)
		require.ErrorContains(t, err, "the owner hierarchy of the TPM has a password")
	}
	require.Equal(t, []string{idA}, ids(t, p, folder))
}

// TestPinInLockout: the pin is read from a TPM that is locked out.
func TestPinInLockout(t *testing.T) {
	tpm := start(t, swtpm.New)
	p := pinnerOf(t, tpm)
	_, err := p.WritePin(t.Context(), folder, idA)
	require.NoError(t, err)
	right := mustOpen(t, tpm.URI()+"?auth-file="+secretFile(t, "right"))
	wrong := mustOpen(t, tpm.URI()+"?auth-file="+secretFile(t, "wrong"))
	blob, err := right.Wrap(t.Context(), key())
	require.NoError(t, err)
	for range 3 {
		refuses(t, wrong, blob, kek.ErrUnavailable, "the secret in auth-file is not the right one")
	}
	refuses(t, right, blob, kek.ErrUnavailable, "locked out")
	require.Equal(t, []string{idA}, ids(t, p, folder))
}

// TestPinIsNoCounter: the list of counters that nobody uses does not name a pin.
func TestPinIsNoCounter(t *testing.T) {
	tpm := start(t, swtpm.New)
	_, err := pinnerOf(t, tpm).WritePin(t.Context(), folder, idA)
	require.NoError(t, err)
	p := mustOpen(t, tpm.URI())
	name, _ := newCounter(t, p)
	others, err := p.OtherCounters(t.Context(), name)
	require.NoError(t, err)
	require.Empty(t, others)
}

// TestPlaces: all handles of a place are in the owner's range, and two paths have different
// places.
func TestPlaces(t *testing.T) {
	seen := map[tpm2.TPMHandle]string{}
	for i := range 100 {
		path := strings.Repeat("/a", i+1)
		at := placeOf(path)
		require.GreaterOrEqual(t, at.first, firstHandle)
		require.LessOrEqual(t, at.first+pinHandles, firstHandle+handleRange)
		require.Empty(t, seen[at.first])
		seen[at.first] = path
	}
	// The format: a daemon of another version finds what this one wrote.
	require.Equal(t, tpm2.TPMHandle(0x0184683e), placeOf(folder).first)
	require.Equal(t, "5001", hex.EncodeToString(placeOf(folder).content(nil)[:2]))
}

// FuzzPinContent: an index may contain anything.
func FuzzPinContent(f *testing.F) {
	at := placeOf(folder)
	f.Add(at.content(make([]byte, pinID)))
	f.Add(at.content(nil))
	f.Add([]byte(pinFormat))
	f.Fuzz(func(t *testing.T, content []byte) {
		id, ok := at.parse(content)
		if !ok {
			require.Empty(t, id)
			return
		}
		raw, err := hex.DecodeString(id)
		require.NoError(t, err)
		require.Equal(t, content, at.content(raw))
	})
}

// TestPinners: the TPMs are those of the configuration and of the machine, each once.
func TestPinners(t *testing.T) {
	dir := t.TempDir()
	device := filepath.Join(dir, "tpmrm0")
	require.NoError(t, os.WriteFile(device, nil, 0o600))
	keks := []string{
		"file:kek.key", "tpm2:unix=sock?pcrs=7", "tpm2:unix=" + dir + "/sock", "tpm2:device=/dev/tpm0", "tpm2:device=/dev/tpmrm0?auth-file=/none",
		"tpm2:tcp=127.0.0.1:1", "tpm2:nonsense", "nonsense", "pkcs11:object=x",
	}
	list := Pinners(keks, dir, filepath.Join(dir, "tpmrm[0-9]*"))
	var names []string
	for _, p := range list {
		names = append(names, p.String())
	}
	require.Equal(t, []string{"tpm2:unix=" + dir + "/sock", "tpm2:device=/dev/tpm0", "tpm2:tcp=127.0.0.1:1", "tpm2:device=" + device}, names)

	for _, test := range []struct {
		recipients []string
		want       []bool
	}{
		{[]string{"file:kek.key", "passphrase:file=/x"}, []bool{false, false, false, false}},
		{[]string{"tpm2:unix=/elsewhere"}, []bool{true, true, true, false}},
		{[]string{"file:kek.key", "tpm2:device=" + device + "?pcrs=7"}, []bool{true, true, true, true}},
	} {
		for i, p := range list {
			require.Equal(t, test.want[i], p.Serves(test.recipients), "%v serves %v", p, test.recipients)
		}
	}
	machine := pinner{&provider{target: target{network: "device", address: "/dev/tpmrm0"}}, false}
	require.True(t, machine.Serves([]string{"tpm2:device=/dev/tpm0?pcrs=7"}))
	require.False(t, machine.Serves([]string{"tpm2:device=/dev/tpm1", "tpm2:unix=/dev/tpm0"}))
	require.Empty(t, Pinners(nil, dir, filepath.Join(dir, "none[0-9]*")))
}
