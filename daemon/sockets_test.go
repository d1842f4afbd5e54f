package main

import (
	"log/slog"
	"net"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/daemon/config"
	"vtoken/daemon/service"
)

// A Unix socket that was passed at another path than that of the configuration does not take
// the place of the latter, which programs may know.
func TestSocketsBeside(t *testing.T) {
	dir := t.TempDir()
	given, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "given"), Net: "unix"})
	require.NoError(t, err)
	defer given.Close()
	s := socket{path: filepath.Join(dir, "given"), mode: 0o600, dir: 0o700}
	all, made, err := s.beside([]net.Listener{given})
	require.NoError(t, err)
	require.False(t, made)
	require.Equal(t, []net.Listener{given}, all)

	s.path = filepath.Join(dir, "configured")
	all, made, err = s.beside([]net.Listener{given})
	require.NoError(t, err)
	require.True(t, made)
	require.Len(t, all, 2)
	require.Equal(t, s.path, all[1].Addr().String())
	require.NoError(t, all[1].Close())
}

// Without a service manager the daemon makes all its sockets, and leaves none where it cannot
// have all.
func TestOpenSockets(t *testing.T) {
	dir := t.TempDir()
	cfg := config.Config{P11Socket: filepath.Join(dir, "p"), AdminSocket: filepath.Join(dir, "a"), APIListen: "127.0.0.1:0"}
	log := slog.New(slog.DiscardHandler)
	s, err := openSockets(cfg, service.Received{}, log)
	require.NoError(t, err)
	require.True(t, s.ownAdmin)
	require.Equal(t, cfg.P11Socket, s.p11Path())
	require.Equal(t, cfg.AdminSocket, s.adminPath())
	cfg.APIListen = s.api[0].Addr().String()
	cfg.P11Socket, cfg.AdminSocket = filepath.Join(dir, "p2"), filepath.Join(dir, "a2")
	_, err = openSockets(cfg, service.Received{}, log)
	require.ErrorContains(t, err, "listening for the API")
	require.NoFileExists(t, cfg.P11Socket)
	require.NoFileExists(t, cfg.AdminSocket)
	s.close()
}
