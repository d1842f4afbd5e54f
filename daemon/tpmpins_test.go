package main

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/daemon/config"
	"vtoken/keystore/kek"
)

// fakeTPM is a TPM that has one pin at most.
type fakeTPM struct {
	pin    kek.Pin
	serves bool
	err    error
	writes int
}

func (*fakeTPM) String() string         { return "tpm2:unix=/fake" }
func (f *fakeTPM) Serves([]string) bool { return f.serves }

func (f *fakeTPM) ReadPins(ctx context.Context, _ string) ([]kek.Pin, error) {
	if f.err != nil || f.pin.ID == "" {
		return nil, f.err
	}
	return []kek.Pin{f.pin}, ctx.Err()
}

func (f *fakeTPM) WritePin(_ context.Context, _, id string) (kek.Pin, error) {
	f.writes++
	switch {
	case f.err != nil:
		return kek.Pin{}, f.err
	case f.pin.ID != "" && f.pin.ID != id:
		return f.pin, kek.ErrPinned
	}
	f.pin.ID, f.pin.Unfinished = id, false
	return f.pin, nil
}

func (f *fakeTPM) RemovePins(context.Context, string) error {
	if f.err == nil {
		f.pin = kek.Pin{}
	}
	return f.err
}

// TestTPMPins: what a TPM has before and after a start, and what the log says about it.
func TestTPMPins(t *testing.T) {
	store := openStore(t)
	id, other := store.ID(), "000102030405060708090a0b0c0d0e0f"
	pin := func(id string) kek.Pin { return kek.Pin{ID: id, Where: "NV index 0x1", Undo: "remove that index"} }
	unfinished := pin(id)
	unfinished.Unfinished = true
	for name, test := range map[string]struct {
		tpm       fakeTPM
		takesOver bool // reads nothing before
		init      bool
		pinned    []kek.Pin // before
		id        string    // after
		writes    int
		log       string
	}{
		"no pin":                       {tpm: fakeTPM{serves: true}, id: id, writes: 1, log: "the TPM has the id"},
		"no pin, and no KEK there":     {tpm: fakeTPM{}},
		"the pin":                      {tpm: fakeTPM{serves: true, pin: pin(id)}, pinned: []kek.Pin{pin(id)}, id: id},
		"an unfinished pin":            {tpm: fakeTPM{serves: true, pin: unfinished}, pinned: []kek.Pin{unfinished}, id: id, writes: 1},
		"a TPM that does not answer":   {tpm: fakeTPM{serves: true, err: kek.ErrUnavailable}, log: "a TPM does not tell"},
		"--init":                       {tpm: fakeTPM{serves: true, pin: pin(other)}, init: true, pinned: []kek.Pin{pin(other)}, id: id, writes: 1},
		"--init without a KEK there":   {tpm: fakeTPM{pin: pin(other)}, init: true, pinned: []kek.Pin{pin(other)}},
		"--init without an answer":     {tpm: fakeTPM{serves: true, err: kek.ErrUnavailable}, init: true, log: "the next start refuses the new store"},
		"a successor":                  {tpm: fakeTPM{serves: true, pin: pin(id)}, takesOver: true, id: id, writes: 1},
		"a successor, and no pin":      {tpm: fakeTPM{serves: true}, takesOver: true, id: id, writes: 1},
		"a successor, and another pin": {tpm: fakeTPM{serves: true, pin: pin(other)}, takesOver: true, id: other, writes: 1, log: "a TPM has the id of another store"},
		"a successor without an answer": {
			tpm: fakeTPM{serves: true, err: kek.ErrUnavailable}, takesOver: true, writes: 1, log: "the id of the store is not written into a TPM",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			log := slog.New(slog.NewTextHandler(&out, nil))
			p := tpmPins{folder: "/data", tpms: []*tpmPin{{Pinner: &test.tpm}}}
			if !test.takesOver {
				require.Equal(t, test.pinned, p.read(t.Context(), log))
			}
			p.keep(t.Context(), store, test.init, log)
			require.Equal(t, test.id, test.tpm.pin.ID)
			require.False(t, test.tpm.pin.Unfinished)
			require.Equal(t, test.writes, test.tpm.writes)
			require.Contains(t, out.String(), test.log)
		})
	}
}

// TestPinsOfTheFileAndTheTPMs: a TPM that does not answer does not hide the pin of the file, and
// the folder's path is absolute.
func TestPinsOfTheFileAndTheTPMs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pin")
	require.NoError(t, writePin(file, "000102030405060708090a0b0c0d0e0f"))
	var out bytes.Buffer
	cfg := config.Config{DataDir: "data", StorePin: file, KEKs: []string{"tpm2:unix=/no/such.sock"}}
	pins, err := pinsOf(t.Context(), cfg, slog.New(slog.NewTextHandler(&out, nil)))
	require.NoError(t, err)
	require.Equal(t, []kek.Pin{{ID: "000102030405060708090a0b0c0d0e0f", Where: "the file " + file, Undo: "remove that file"}}, pins)
	require.Contains(t, out.String(), `"tpm2:unix=/no/such.sock"`)
	p, err := newTPMPins(cfg.DataDir, nil)
	require.NoError(t, err)
	require.True(t, filepath.IsAbs(p.folder))
}
