package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// socket is a Unix socket to listen on, and who may open it.
type socket struct {
	path  string
	mode  fs.FileMode // of the socket
	dir   fs.FileMode // of its folder, where it has to be made
	group string      // that owns it; empty leaves the daemon's
}

// makeFolder makes the folder of the socket, if it is missing.
func (s socket) makeFolder() error {
	if err := os.MkdirAll(filepath.Dir(s.path), s.dir); err != nil {
		return fmt.Errorf("making the folder of socket %s: %w", s.path, err)
	}
	return nil
}

// listen makes the socket. It binds it under a umask that gives others no rights, and then
// sets its group and mode, so that nobody else can open it before. It replaces a socket that a
// killed daemon left behind, but not one with a listener.
func (s socket) listen() (*net.UnixListener, error) {
	if err := s.makeFolder(); err != nil {
		return nil, err
	}
	if err := removeStale(s.path); err != nil {
		return nil, err
	}
	old := syscall.Umask(0o177)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: s.path, Net: "unix"})
	syscall.Umask(old)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", s.path, err)
	}
	if err := s.open(); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// open gives the socket its group and mode.
func (s socket) open() error {
	if err := s.setOwner(); err != nil {
		return fmt.Errorf("setting group and mode of socket %s: %w", s.path, err)
	}
	return nil
}

func (s socket) setOwner() error {
	if s.group != "" {
		gid, err := groupID(s.group)
		if err != nil {
			return err
		}
		if err := os.Chown(s.path, -1, gid); err != nil {
			return err
		}
	}
	return os.Chmod(s.path, s.mode)
}

func groupID(name string) (int, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(g.Gid)
}

// removeStale removes a socket without a listener.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking at socket %s: %w", path, err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is there and is not a socket; move it away or give another path", path)
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
		return fmt.Errorf("another process listens on %s; stop it or give another path", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("finding out whether anybody listens on %s: %w", path, err)
	}
	return os.Remove(path)
}
