package e2e

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMemoryIsLocked: where the daemon may lock memory, as root may, all that it
// writes to is kept out of swap, and the pages of the store file are not locked.
func TestMemoryIsLocked(t *testing.T) {
	t.Parallel()
	d := start(t)
	maps, err := os.Open(fmt.Sprintf("/proc/%d/smaps", d.PID()))
	require.NoError(t, err)
	defer maps.Close()
	var mapping []string // address, rights, offset, device, inode, and perhaps a name
	used, own, undumped, store := "", 0, 0, ""
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) >= 5 && strings.Contains(fields[0], "-"):
			mapping = fields
		case fields[0] == "Rss:":
			used = fields[1]
		case fields[0] == "VmFlags:" && strings.HasSuffix(mapping[len(mapping)-1], "/vtoken.db"):
			store = lines.Text() + " "
		case fields[0] == "VmFlags:" && mapping[4] == "0" && strings.HasPrefix(mapping[1], "rw") && used != "0":
			own++
			flags := lines.Text() + " "
			if !strings.Contains(flags, " lo ") && !strings.Contains(flags, " dp ") { // droppable: random numbers of the vDSO
				t.Errorf("not locked: %s: %s", mapping, flags)
			}
			if strings.Contains(flags, " dd ") {
				undumped++
			}
		}
	}
	if own == 0 || undumped == 0 {
		t.Errorf("%d mappings, %d of them not to be dumped", own, undumped)
	}
	if store == "" || strings.Contains(store, " lo ") {
		t.Errorf("the store file is locked in memory: %s", store)
	}
	require.NotContains(t, d.Log(), "memory is not locked", "the daemon says that it could not")
}
