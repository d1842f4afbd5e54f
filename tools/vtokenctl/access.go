package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// accessHint names the group or the rule that keeps this user from a socket
// (P10). It looks at the socket, or at the nearest folder above it that can be
// looked at.
func accessHint(socket string) string {
	place := socket
	info, err := os.Stat(place)
	for errors.Is(err, fs.ErrPermission) && place != filepath.Dir(place) {
		place = filepath.Dir(place)
		info, err = os.Stat(place)
	}
	if err != nil {
		return "run this as root"
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "run this as root"
	}
	return accessRule(place, info.Mode().Perm(),
		numbered(user.LookupId, owner.Uid, func(u *user.User) string { return u.Username }),
		numbered(user.LookupGroupId, owner.Gid, func(g *user.Group) string { return g.Name }), me())
}

// accessRule is the sentence for a place with that mode, owner and group.
func accessRule(place string, mode fs.FileMode, owner, group, me string) string {
	if mode&0o070 == 0 {
		return fmt.Sprintf("%s is open to the user %s only; run this as %s", place, owner, owner)
	}
	return fmt.Sprintf("%s is open to the user %s and the group %s; run this with sudo, or join the group with: sudo usermod -aG %s %s (then log in anew)",
		place, owner, group, group, me)
}

// numbered is the name of a user or a group, or its number where it has none.
func numbered[T any](lookup func(string) (*T, error), id uint32, name func(*T) string) string {
	number := strconv.FormatUint(uint64(id), 10)
	if found, err := lookup(number); err == nil {
		return name(found)
	}
	return number
}

func me() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return strconv.Itoa(os.Getuid())
}
