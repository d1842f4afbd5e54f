package main

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/daemon/config"
)

// TestRecordsFromTheFirstStartOn: the folder of the sockets need not exist when a daemon starts
// for the first time, and logins are kept from then on.
func TestRecordsFromTheFirstStartOn(t *testing.T) {
	var warned bytes.Buffer
	path := filepath.Join(t.TempDir(), "run", "p11.sock")
	r := newResumption(config.Config{P11Socket: path, Resume: config.ResumeOn}, nil, nil, slog.New(slog.NewTextHandler(&warned, nil)), nil, nil)
	require.Empty(t, warned.String())
	require.NotNil(t, r.records)
	require.DirExists(t, path+".logins")
}
