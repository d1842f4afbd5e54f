package e2e

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
)

// groups are the sets of system calls that systemd knows, by name.
func groups(t *testing.T) map[string][]string {
	t.Helper()
	out, err := exec.Command("systemd-analyze", "syscall-filter", "--no-pager").Output()
	require.NoError(t, err)
	all, name := map[string][]string{}, ""
	for line := range strings.SplitSeq(string(out), "\n") {
		switch word := strings.TrimSpace(line); {
		case word == "" || strings.HasPrefix(word, "#"):
		case strings.HasPrefix(line, "@"):
			name = word
		default:
			all[name] = append(all[name], word)
		}
	}
	return all
}

// allowed are the system calls that the lines SystemCallFilter= of a unit allow.
func allowed(t *testing.T, unit string) map[string]bool {
	t.Helper()
	known := groups(t)
	var add func(set map[string]bool, name string, on bool)
	add = func(set map[string]bool, name string, on bool) {
		if !strings.HasPrefix(name, "@") {
			set[name] = on
			return
		}
		require.NotEmpty(t, known[name], "systemd knows no set %s", name)
		for _, member := range known[name] {
			add(set, member, on)
		}
	}
	set := map[string]bool{}
	for line := range strings.Lines(unit) {
		list, ok := strings.CutPrefix(strings.TrimSpace(line), "SystemCallFilter=")
		if !ok {
			continue
		}
		list, off := strings.CutPrefix(list, "~")
		for _, name := range strings.Fields(list) {
			add(set, name, !off)
		}
	}
	return set
}

// tolerated are system calls that the unit refuses and the daemon can do without.
var tolerated = map[string]string{}

var tracedCall = regexp.MustCompile(`(?m)^[0-9]+ +([a-z][a-z0-9_]+)\(`)

// TestUnitAllowsWhatIsNeeded traces the daemon at all that it does with the system, and
// holds its system calls against the unit: TPM, HSM, both sockets, API, metrics, the group
// of administrators, changes of KEKs, a backup, its stop.
func TestUnitAllowsWhatIsNeeded(t *testing.T) {
	chip := tpm(t)
	uri, _ := hsm(t, "object=vtoken")
	programs := t.TempDir()
	require.NoError(t, os.Chmod(programs, 0o755))
	trace := filepath.Join(programs, "trace")
	for _, name := range []string{"vtoken", "vtoken-pkcs11.so"} {
		require.NoError(t, os.Symlink(filepath.Join(build(t), name), filepath.Join(programs, name)))
	}
	wrapper := fmt.Sprintf("#!/bin/sh\nexec strace -D -f -qq -A -o %s %s \"$@\"\n", trace, filepath.Join(build(t), "vtokend"))
	require.NoError(t, harness.WriteProgram(filepath.Join(programs, "vtokend"), []byte(wrapper)))
	dir, err := harness.TempDir()
	require.NoError(t, err)
	d := harness.NewDaemon(programs, dir)
	t.Cleanup(func() { require.NoError(t, d.Kill()); require.NoError(t, os.RemoveAll(dir)) })
	flags := []string{"--kek", chip.URI(), "--admin-group", "daemon", "--metrics-listen", "127.0.0.1:0", "--metrics-file", filepath.Join(dir, "m.prom"), "--audit-recipient"}
	recipient, _ := auditorKey(t)
	flags = append(flags, recipient)
	require.NoError(t, d.Start(flags...))
	require.NoError(t, d.NewToken("Card", harness.PIN, harness.SOPIN))
	for id, kind := range map[string]string{"01": "EC:prime256v1", "02": "rsa:2048"} {
		_, err := tool(d, append(login("Card", harness.PIN), "--keypairgen", "--key-type", kind, "--id", id, "--label", "key")...)
		require.NoError(t, err)
	}
	require.NoError(t, sign(d, "01", harness.PIN))
	vtoken(t, d, "kek", "add", "--generate", uri)
	d.Configure(uri)
	vtoken(t, d, "kek", "rotate")
	vtoken(t, d, "backup", filepath.Join(t.TempDir(), "backup"))
	key := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(key, []byte(vtoken(t, d, "apikey", "create", "monitor")), 0o600))
	vtoken(t, d, "token", "list", "--api", d.API, "--ca-file", d.CA, "--api-key-file", key)
	vtoken(t, d, "audit", "verify")
	require.NoError(t, d.Stop())
	require.NoError(t, d.Start(flags...))
	require.NoError(t, sign(d, "01", harness.PIN))
	require.NoError(t, d.Stop())

	text, err := os.ReadFile(trace)
	require.NoError(t, err)
	made := map[string]bool{}
	for _, m := range tracedCall.FindAllStringSubmatch(string(text), -1) {
		made[m[1]] = true
	}
	require.True(t, made["execve"] && made["mlockall"] && made["fchownat"] && made["fdatasync"], "the trace is one of the daemon: %v", made)
	may := allowed(t, harness.Packaged(t, "vtokend.service"))
	for _, name := range slices.Sorted(maps.Keys(made)) {
		require.True(t, may[name] || tolerated[name] != "", "the unit refuses %s, which the daemon calls", name)
	}
	require.NotRegexp(t, `(mmap|mprotect)\([^)]*PROT_WRITE\|PROT_EXEC`, string(text), "MemoryDenyWriteExecute= would refuse it")
	require.NotRegexp(t, `socket\(AF_(NETLINK|PACKET)`, string(text), "RestrictAddressFamilies= would refuse it")
}
