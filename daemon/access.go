package main

import (
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"sync/atomic"

	"vtoken/vtoken/record"
)

// administrators are root, the user that the daemon runs as, and the members of one group,
// which changes when the configuration is read again.
type administrators struct {
	uid   uint32
	group atomic.Pointer[string] // gid as text, or empty
}

func newAdministrators(group string) (*administrators, error) {
	a := &administrators{uid: uint32(os.Getuid())}
	gid, err := adminGroup(group)
	a.group.Store(&gid)
	return a, err
}

// adminGroup returns the gid of a group as text; empty for none.
func adminGroup(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	gid, err := groupID(name)
	if err != nil {
		return "", fmt.Errorf("finding the group of --admin-group: %w", err)
	}
	return strconv.Itoa(gid), nil
}

// Has reports whether the process at the other end of a socket acts for an administrator. It
// looks up supplementary groups, because the kernel reports only the primary one.
func (a *administrators) Has(p record.Peer) bool {
	group := *a.group.Load()
	switch {
	case p.UID == 0 || p.UID == a.uid:
		return true
	case group == "":
		return false
	case strconv.Itoa(int(p.GID)) == group:
		return true
	}
	u, err := user.LookupId(strconv.Itoa(int(p.UID)))
	if err != nil {
		return false
	}
	groups, err := u.GroupIds()
	return err == nil && slices.Contains(groups, group)
}
