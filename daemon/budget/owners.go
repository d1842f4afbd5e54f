package budget

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Owners maps uids to the OS user who is accountable for them. It is used for limits only,
// never for access: a user may run processes under any uid of the ranges that /etc/subuid
// gives it, so all of them count as that user.
type Owners struct {
	path   string
	lookup func(name string) (uid uint32, ok bool)
	now    func() time.Time

	mu       sync.Mutex
	looked   time.Time // at the file, last
	modified time.Time // of the file that was read
	ranges   []uidRange
	users    map[string]uint32 // names that were looked up
}

// uidRange is one line of subuid(5).
type uidRange struct {
	first, last uint32
	name        string
}

// SubUIDs is the file with the ranges.
const SubUIDs = "/etc/subuid"

// lookAgain is how long the content of the file is used before it is checked again.
const lookAgain = 10 * time.Second

// NewOwners reads the ranges from a file in the format of subuid(5), and again when it has
// changed. Without the file every uid is its own owner.
func NewOwners(path string) *Owners {
	return &Owners{path: path, lookup: userID, now: time.Now, users: map[string]uint32{}}
}

func userID(name string) (uint32, bool) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, false
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	return uint32(uid), err == nil
}

// Of returns the owner of a process with that uid.
func (o *Owners) Of(uid uint32) string { return "uid " + strconv.FormatUint(uint64(o.of(uid)), 10) }

func (o *Owners) of(uid uint32) uint32 {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.refresh()
	i, _ := slices.BinarySearchFunc(o.ranges, uid, func(r uidRange, uid uint32) int {
		switch {
		case r.last < uid:
			return -1
		case r.first > uid:
			return 1
		}
		return 0
	})
	if i == len(o.ranges) || uid < o.ranges[i].first || uid > o.ranges[i].last {
		return uid
	}
	r := o.ranges[i]
	// The ranges of root are for containers, which do not act for root: they count
	// together, and not with root.
	if owner, ok := o.user(r.name); ok && owner != 0 {
		return owner
	}
	return r.first
}

// user returns the uid of a name or number in the file.
func (o *Owners) user(name string) (uint32, bool) {
	if uid, err := strconv.ParseUint(name, 10, 32); err == nil {
		return uint32(uid), true
	}
	uid, ok := o.users[name]
	if !ok {
		if uid, ok = o.lookup(name); ok {
			o.users[name] = uid
		}
	}
	return uid, ok
}

// refresh reads the file if it has changed.
func (o *Owners) refresh() {
	now := o.now()
	if !o.looked.IsZero() && now.Sub(o.looked) < lookAgain {
		return
	}
	o.looked = now
	info, err := os.Stat(o.path)
	if err != nil {
		o.ranges, o.modified = nil, time.Time{}
		return
	}
	if info.ModTime().Equal(o.modified) {
		return
	}
	f, err := os.Open(o.path)
	if err != nil {
		return
	}
	defer f.Close()
	if ranges, err := readRanges(f); err == nil {
		o.ranges, o.modified = ranges, info.ModTime()
		clear(o.users)
	}
}

// maxRanges bounds the lines that are read.
const maxRanges = 1 << 16

// readRanges reads lines of NAME:FIRST:COUNT. It skips other lines, as the tools of subuid(5)
// do. Where ranges overlap, the first one in the file applies.
func readRanges(r io.Reader) ([]uidRange, error) {
	var ranges []uidRange
	lines := bufio.NewScanner(r)
	for lines.Scan() && len(ranges) < maxRanges {
		fields := strings.Split(strings.TrimSpace(lines.Text()), ":")
		if len(fields) != 3 || fields[0] == "" || strings.HasPrefix(fields[0], "#") {
			continue
		}
		first, err1 := strconv.ParseUint(fields[1], 10, 32)
		count, err2 := strconv.ParseUint(fields[2], 10, 32)
		if err1 != nil || err2 != nil || count == 0 || first == 0 || first+count-1 > 1<<32-2 {
			continue
		}
		ranges = append(ranges, uidRange{uint32(first), uint32(first + count - 1), fields[0]})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read ranges of uids: %w", err)
	}
	slices.SortStableFunc(ranges, func(a, b uidRange) int { return int(int64(a.first) - int64(b.first)) })
	kept := ranges[:0]
	for _, r := range ranges {
		if n := len(kept); n > 0 && r.first <= kept[n-1].last {
			if r.last <= kept[n-1].last {
				continue
			}
			r.first = kept[n-1].last + 1
		}
		kept = append(kept, r)
	}
	return kept, nil
}
