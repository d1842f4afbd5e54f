package main

import (
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"

	"vtoken/vtoken/record"
)

// administrators are root, the user that the daemon runs as, and the members of one group.
type administrators struct {
	uid   uint32
	group string // gid as text, or empty
}

func newAdministrators(group string) (administrators, error) {
	a := administrators{uid: uint32(os.Getuid())}
	if group != "" {
		gid, err := groupID(group)
		if err != nil {
			return a, fmt.Errorf("finding the group of --admin-group: %w", err)
		}
		a.group = strconv.Itoa(gid)
	}
	return a, nil
}

// Has reports whether the process at the other end of a socket acts for an administrator. It
// looks up supplementary groups, because the kernel reports only the primary one.
func (a administrators) Has(p record.Peer) bool {
	switch {
	case p.UID == 0 || p.UID == a.uid:
		return true
	case a.group == "":
		return false
	case strconv.Itoa(int(p.GID)) == a.group:
		return true
	}
	u, err := user.LookupId(strconv.Itoa(int(p.UID)))
	if err != nil {
		return false
	}
	groups, err := u.GroupIds()
	return err == nil && slices.Contains(groups, a.group)
}
