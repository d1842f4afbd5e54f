package boot

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
)

// daemon is the package's daemon in a machine.
type daemon struct {
	*machine
	taken int // how often a daemon took the place of one before it since the boot
}

// status is a property of the service, as systemd has it.
func (d *daemon) property(name string) string {
	d.t.Helper()
	return d.run("systemctl", "show", "--value", "--property", name, "vtokend.service")
}

// journal is what the daemon has said since the machine was booted.
func (d *daemon) journal() string {
	d.t.Helper()
	return d.run("journalctl", "--boot", "--no-pager", "--output=cat", "_SYSTEMD_UNIT=vtokend.service")
}

// expected are warnings about the store of the test.
var expected = regexp.MustCompile(`made a key file|no recovery passphrase`)

// complaints are the other lines of the journal that are warnings or errors.
func (d *daemon) complaints() (lines []string) {
	d.t.Helper()
	for line := range strings.Lines(d.journal()) {
		bad := strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR") || strings.Contains(line, "panic")
		if bad && !expected.MatchString(line) {
			lines = append(lines, line)
		}
	}
	return lines
}

// tookOver expects that one more daemon has got the state of the one before it.
func (d *daemon) tookOver() {
	d.t.Helper()
	d.taken++
	journal := d.journal()
	require.Equal(d.t, d.taken, strings.Count(journal, "took the place of a daemon"), "%s", journal)
	require.NotContains(d.t, journal, "left out")
	require.Equal(d.t, "0", d.property("NFileDescriptorStore"), "systemd keeps what nobody needs any more")
}

// newToken makes a user of the machine, and a token with a key for him.
func (d *daemon) newToken() {
	d.t.Helper()
	d.run("useradd", "--create-home", user)
	d.put("/root/pin", harness.PIN, 0o600)
	d.put("/root/so-pin", harness.SOPIN, 0o600)
	d.run("vtoken", "user", "create", user)
	d.run("vtoken", "token", "create", "--user", user, "--label", "Card", "--user-pin-file", "/root/pin",
		"--so-pin-file", "/root/so-pin", "--complete")
	out, err := signer(d.t, d.machine, modules(d.t).ours, "make").CombinedOutput()
	require.NoError(d.t, err, "%s", out)
}

// modules are the two libraries, for this machine's processor.
func modules(t *testing.T) (m struct{ ours, stock string }) {
	t.Helper()
	out, err := exec.Command("uname", "-m").Output()
	require.NoError(t, err)
	m.ours, m.stock = fmt.Sprintf(ourModule, strings.TrimSpace(string(out))), fmt.Sprintf(stockModule, strings.TrimSpace(string(out)))
	return m
}

// TestSystemd installs the package in a machine that is booted, and does there what the
// documents say, while two applications sign: one with our library, and one with p11-kit's,
// which cannot connect again. Neither has a call that fails, and neither logs in again.
func TestSystemd(t *testing.T) {
	deb, version := buildPackage(t)
	newer := repack(t, deb, version+"+1", func(string) {})
	d := &daemon{machine: newMachine(t)}
	compileTraffic(d.machine)
	d.boot()

	require.Contains(t, install(d.machine, deb), "systemctl enable --now vtokend")
	require.Equal(t, "inactive", d.property("ActiveState"), "installing starts the daemon")
	d.run("systemctl", "enable", "--now", "vtokend")
	for _, unit := range []string{"vtokend.service", "vtokend.socket", "vtokend-admin.socket"} {
		d.run("systemctl", "is-active", unit)
		d.run("systemctl", "is-enabled", unit)
	}
	require.Contains(t, d.run("vtoken", "status"), version)
	d.newToken()

	both := []*application{newApplication(t, d.machine, modules(t).ours), newApplication(t, d.machine, modules(t).stock)}
	pid := d.property("MainPID")
	for i := range 5 {
		during(t, fmt.Sprintf("systemctl restart, time %d,", i+1), both, func() { d.run("systemctl", "restart", "vtokend") })
		require.NotEqual(t, pid, d.property("MainPID"))
		pid = d.property("MainPID")
		d.tookOver()
	}
	during(t, "systemctl reload", both, func() { d.run("systemctl", "reload", "vtokend") })
	require.Eventually(t, func() bool { return strings.Contains(d.property("StatusText"), "configuration read again") }, hangsAfter, pause)
	during(t, "vtoken restart", both, func() { d.run("vtoken", "restart") })
	d.tookOver()
	require.Equal(t, pid, d.property("MainPID"), "another process took the daemon's place")
	during(t, "an upgrade", both, func() { install(d.machine, newer) })
	d.tookOver()
	during(t, "a downgrade", both, func() { install(d.machine, deb) })
	d.tookOver()
	both[1].end(t) // it has no means against a crash
	ours := both[:1]

	require.Empty(t, d.complaints())
	during(t, "kill -9", ours, func() { d.run("systemctl", "kill", "--kill-whom=main", "--signal=SIGKILL", "vtokend") })
	require.Equal(t, "1", d.property("NRestarts"))
	during(t, "systemctl stop", ours, func() { d.run("systemctl", "stop", "vtokend") })
	require.Equal(t, "active", d.property("ActiveState"), "no connection started it again")

	ours[0].end(t)
	d.run("systemctl", "stop", "vtokend.socket", "vtokend-admin.socket", "vtokend")
	_, err := d.try("vtoken", "status")
	require.Error(t, err, "it was stopped with its sockets")
	require.Equal(t, "inactive", d.property("ActiveState"))
	d.run("systemctl", "start", "vtokend")
	d.run("vtoken", "status")
	require.Empty(t, d.complaints())

	config := filepath.Join(d.root, "etc", "vtoken", "vtokend.yaml")
	good, err := os.ReadFile(config)
	require.NoError(t, err)
	d.put("/etc/vtoken/vtokend.yaml", "log-level: loud\n", 0o644)
	_, err = d.try("systemctl", "restart", "vtokend")
	require.Error(t, err, "the configuration is wrong")
	require.Equal(t, "2", d.property("ExecMainStatus"))
	for _, unit := range []string{"vtokend.socket", "vtokend-admin.socket"} {
		require.Eventually(t, func() bool { _, err := d.try("systemctl", "is-active", unit); return err != nil }, hangsAfter, pause,
			"a connection would start a daemon that an administrator has to look at")
	}
	d.put("/etc/vtoken/vtokend.yaml", string(good), 0o644)
	d.run("systemctl", "start", "vtokend")
	require.Contains(t, d.run("vtoken", "token", "list"), "Card")

	d.powerOff()
	d.boot()
	require.Contains(t, d.run("vtoken", "token", "list"), "Card")
	require.NotContains(t, d.run("vtoken", "session", "list"), "Card", "a login outlived the machine")
	newApplication(t, d.machine, modules(t).ours).end(t)
	require.Empty(t, d.complaints())
}

// TestVersionBefore: an upgrade from a version whose daemon made its own sockets and handed
// nothing over names the programs to restart, and a downgrade to it stops the
// daemon and harms nothing.
func TestVersionBefore(t *testing.T) {
	deb, version := buildPackage(t)
	before := repack(t, deb, "0.1.0", asBefore)
	d := &daemon{machine: newMachine(t)}
	compileTraffic(d.machine)
	d.boot()
	install(d.machine, before)
	d.run("systemctl", "enable", "--now", "vtokend")
	require.Eventually(t, func() bool { _, err := d.try("vtoken", "status"); return err == nil }, hangsAfter, pause)
	d.newToken()
	a := newApplication(t, d.machine, modules(t).ours)

	said := install(d.machine, deb)
	require.Regexp(t, `restart them(.|\n)*vtoken:   \d+ `+program+` `, said)
	for _, unit := range []string{"vtokend.service", "vtokend.socket", "vtokend-admin.socket"} {
		d.run("systemctl", "is-active", unit)
		d.run("systemctl", "is-enabled", unit)
	}
	a.kill()
	a = newApplication(t, d.machine, modules(t).ours)
	d.taken = strings.Count(d.journal(), "took the place of a daemon")
	during(t, "a restart after the upgrade", []*application{a}, func() { d.run("systemctl", "restart", "vtokend") })
	d.tookOver()
	a.end(t)
	require.Empty(t, d.complaints())

	require.Contains(t, install(d.machine, before), "vtokend is stopped: vtoken 0.1.0 cannot read")
	for _, unit := range []string{"vtokend.service", "vtokend.socket", "vtokend-admin.socket"} {
		_, err := d.try("systemctl", "is-active", unit)
		require.Error(t, err, "%s is active after a downgrade", unit)
	}
	require.NotContains(t, install(d.machine, deb), "restart them", "nothing runs that has loaded the library")
	d.run("systemctl", "enable", "--now", "vtokend")
	require.Contains(t, d.run("vtoken", "status"), version)
	newApplication(t, d.machine, modules(t).ours).end(t)
	require.Empty(t, d.complaints())
}

// asBefore makes of a package what version 0.1.0 was for systemd: no units of sockets, nothing
// that is kept, and its scripts. The program is the new one, without a service manager and records of logins.
func asBefore(root string) {
	for path, text := range map[string]string{
		"usr/lib/systemd/system/vtokend.service": `[Unit]
Description=Virtual smart cards (vtoken)

[Service]
ExecStart=/usr/bin/env --unset=NOTIFY_SOCKET /usr/sbin/vtokend --resume off
StateDirectory=vtoken vtoken-pin
StateDirectoryMode=0700
RuntimeDirectory=vtoken
RuntimeDirectoryMode=0755
ConfigurationDirectory=vtoken
UMask=0077
CapabilityBoundingSet=CAP_IPC_LOCK CAP_CHOWN CAP_DAC_OVERRIDE CAP_SYS_PTRACE
LimitMEMLOCK=infinity

[Install]
WantedBy=multi-user.target
`,
		"DEBIAN/postinst": `#!/bin/sh
set -e
[ "$1" = configure ] || exit 0
systemd-sysusers vtoken.conf
systemctl daemon-reload
systemctl try-restart vtokend.service
`,
		"DEBIAN/prerm": `#!/bin/sh
set -e
if [ "$1" = remove ]; then
	systemctl disable --now vtokend.service
fi
`,
	} {
		if err := os.WriteFile(filepath.Join(root, path), []byte(text), 0o755); err != nil {
			panic(err)
		}
	}
	for _, socket := range []string{"vtokend.socket", "vtokend-admin.socket"} {
		if err := os.Remove(filepath.Join(root, "usr/lib/systemd/system", socket)); err != nil {
			panic(err)
		}
	}
}
