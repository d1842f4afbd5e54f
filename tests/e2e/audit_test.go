package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
)

// auditLines are all lines of the daemon's audit log, by what they tell.
func auditLines(t *testing.T, d *harness.Daemon) (list []map[string]any) {
	t.Helper()
	out, err := d.Vtoken("audit", "tail", "-n", "1000", "-o", "json")
	require.NoError(t, err)
	for line := range strings.SplitSeq(out, "\n") {
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &m))
		list = append(list, m)
	}
	return list
}

// recorded looks for a line with all these members.
func recorded(t *testing.T, lines []map[string]any, want map[string]any) map[string]any {
	t.Helper()
next:
	for _, l := range lines {
		for name, value := range want {
			if l[name] != value {
				continue next
			}
		}
		return l
	}
	t.Errorf("no line has %v", want)
	return nil
}

// TestAuditLog: what applications and administrators do is recorded, with who
// did it and how it ended, and nothing that is secret.
func TestAuditLog(t *testing.T) {
	t.Parallel()
	d := start(t)
	require.NoError(t, d.NewToken("Card", harness.PIN, harness.SOPIN))
	_, err := tool(d, append(login("Card", harness.PIN), "--keypairgen", "--key-type", "EC:prime256v1", "--id", "c0ffee", "--label", "made")...)
	require.NoError(t, err)
	_, err = tool(d, append(login("Card", "WRONGpin"), "-O")...)
	require.Error(t, err, "a wrong PIN was right")
	_, err = tool(d, append(login("Card", harness.PIN), "--change-pin", "--new-pin", "CHANGEDpin")...)
	require.NoError(t, err)
	_, err = tool(d, append(login("Card", "CHANGEDpin"), "--delete-object", "--type", "privkey", "--id", "c0ffee")...)
	require.NoError(t, err)

	lines := auditLines(t, d)
	for _, want := range []map[string]any{
		{"event": "start", "result": "ok"},
		{"event": "api", "result": "ok", "detail": "POST /v1/tokens"},
		{"event": "login", "result": "ok", "role": "user"},
		{"event": "login", "result": "CKR_PIN_INCORRECT", "role": "user"},
		{"event": "set-pin", "result": "ok", "role": "user"},
	} {
		l := recorded(t, lines, want)
		if l != nil && l["event"] != "start" && l["token"] == nil {
			t.Errorf("%v names no token", l)
		}
	}
	for _, event := range []string{"generate-key", "destroy-key"} {
		l := recorded(t, lines, map[string]any{"event": event, "result": "ok"})
		if l == nil {
			continue
		}
		o, _ := l["object"].(map[string]any)
		p, _ := l["process"].(map[string]any)
		exe, _ := p["exe"].(string)
		if o["id"] != "c0ffee" || o["class"] != "CKO_PRIVATE_KEY" || filepath.Base(exe) != "pkcs11-tool" {
			t.Errorf("%v", l)
		}
	}
	_, err = d.Vtoken("audit", "verify")
	require.NoError(t, err)

	require.NoError(t, d.Stop())
	folder := filepath.Join(d.DataDir, "audit")
	files, err := filepath.Glob(filepath.Join(folder, "audit-*.log"))
	require.NoError(t, err)
	text, err := os.ReadFile(files[0])
	require.NoError(t, err)
	for _, secret := range []string{harness.PIN, harness.SOPIN, "WRONGpin", "CHANGEDpin"} {
		if bytes.Contains(text, []byte(secret)) {
			t.Errorf("the audit log tells the PIN %s", secret)
		}
	}
	tamper(t, d, files[0], text)
}

// tamper changes the log while the daemon is off: verify finds each, the cut end
// included.
func tamper(t *testing.T, d *harness.Daemon, file string, good []byte) {
	t.Helper()
	rows := bytes.SplitAfter(good, []byte("\n"))
	n := len(rows) - 1
	for what, bad := range map[string][]byte{
		"a changed line":    bytes.Replace(good, []byte("CKR_PIN_INCORRECT"), []byte("CKR_PIN_CORRECT!!"), 1),
		"a removed line":    bytes.Join(append(append([][]byte{}, rows[:3]...), rows[4:]...), nil),
		"the end cut off":   bytes.Join(rows[:n-2], nil),
		"two lines swapped": bytes.Join(append(append(append([][]byte{}, rows[:2]...), rows[3], rows[2]), rows[4:]...), nil),
	} {
		require.NoError(t, os.WriteFile(file, bad, 0o600))
		require.NoError(t, d.Start())
		if out, err := d.Vtoken("audit", "verify"); err == nil {
			t.Errorf("%s was not found:\n%s", what, out)
		}
		require.NoError(t, d.Stop())
	}
}

// TestAuditDiskFull: where nothing can be recorded, nothing that has to be is
// done, and the rest goes on.
func TestAuditDiskFull(t *testing.T) {
	t.Parallel()
	folder, err := os.MkdirTemp("", "vtaudit")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(folder) })
	mount(t, folder, "size=1m,mode=0700")
	d := start(t, "--audit-dir", folder)
	require.NoError(t, d.NewToken("Card", harness.PIN, harness.SOPIN))
	_, err = tool(d, append(login("Card", harness.PIN), "--keypairgen", "--key-type", "EC:prime256v1", "--id", "01", "--label", "kept")...)
	require.NoError(t, err)
	rest := filepath.Join(folder, "rest")
	_ = os.WriteFile(rest, make([]byte, 2<<20), 0o600) // as much as there is
	refused := false
	socket := overSocket(d)
	for range 2000 { // what was reserved lasts for some lines
		answer, err := socket.Get("http://localhost/v1/tokens")
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, answer.Body)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		if refused = answer.StatusCode != http.StatusOK; refused {
			break
		}
	}
	require.True(t, refused, "everything was recorded on a full disk")
	_, err = d.Vtoken("token", "list")
	require.ErrorContains(t, err, "audit log has no space left")
	_, err = tool(d, append(login("Card", harness.PIN), "-O")...)
	require.ErrorContains(t, err, "CKR_DEVICE_MEMORY", "a login that cannot be recorded")
	_, err = tool(d, "--token-label", "Card", "-O")
	require.NoError(t, err, "what is not recorded")
	require.NoError(t, os.Remove(rest))
	_, err = tool(d, append(login("Card", harness.PIN), "-O")...)
	require.NoError(t, err)
	_, err = d.Vtoken("audit", "verify")
	require.NoError(t, err)
}

// TestAuditFollow: vtoken audit tail -f shows what happens as it happens.
func TestAuditFollow(t *testing.T) {
	t.Parallel()
	d := start(t)
	tail := exec.Command(d.Bin("vtoken"), "audit", "tail", "-f", "-n", "1", "-o", "json", "--admin-socket", d.AdminSocket)
	out, err := tail.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, tail.Start())
	t.Cleanup(func() {
		_ = tail.Process.Kill() // it goes on until then
		_ = tail.Wait()
	})
	lines := bufio.NewScanner(out)
	next := func() (line struct {
		Seq    uint64
		Detail string
	}) {
		t.Helper()
		require.True(t, lines.Scan(), "the log ends: %v", lines.Err())
		require.NoError(t, json.Unmarshal(lines.Bytes(), &line))
		return line
	}
	last := next().Seq
	for _, name := range []string{"one", "two", "three"} {
		vtoken(t, d, "tenant", "create", name)
		if l := next(); l.Seq != last+1 || l.Detail != "POST /v1/tenants" {
			t.Errorf("after line %d, and a new tenant: %+v", last, l)
		}
		last++
	}
}

// TestAuditGaps: what is removed while the daemon is off is told by a line, and verify
// fails, with a daemon and without, until an administrator says that it is kept elsewhere.
func TestAuditGaps(t *testing.T) {
	t.Parallel()
	for what, remove := range map[string]func(t *testing.T, folder, file string){
		"the folder":     func(t *testing.T, folder, _ string) { require.NoError(t, os.RemoveAll(folder)) },
		"a file":         func(t *testing.T, _, file string) { require.NoError(t, os.Remove(file)) },
		"the last lines": cutLines,
	} {
		t.Run(what, func(t *testing.T) {
			d := start(t)
			vtoken(t, d, "tenant", "create", "one")
			vtoken(t, d, "audit", "verify")
			require.NoError(t, d.Stop())
			offline := func() (string, error) {
				out, err := exec.Command(d.Bin("vtokend"), "audit-verify", "--data-dir", d.DataDir).CombinedOutput()
				return string(out), err
			}
			out, err := offline()
			require.NoError(t, err, "a whole log\n%s", out)
			folder := filepath.Join(d.DataDir, "audit")
			files, err := filepath.Glob(filepath.Join(folder, "audit-*.log"))
			require.NoError(t, err)
			require.NoError(t, os.MkdirAll(folder, 0o700))
			remove(t, folder, files[0])
			require.NoError(t, os.MkdirAll(folder, 0o700)) // verify without a daemon makes none
			if out, err := offline(); err == nil || !strings.Contains(out, "problems") {
				t.Errorf("without a daemon it was not found: %v\n%s", err, out)
			}
			for range 2 {
				require.NoError(t, d.Start())
				if out, err := d.Vtoken("audit", "verify"); err == nil {
					t.Errorf("it was not found:\n%s", out)
				}
				recorded(t, auditLines(t, d), map[string]any{"event": "gap", "result": "missing"})
				require.NoError(t, d.Stop())
			}
			if out, err := offline(); err == nil {
				t.Errorf("without a daemon it was not found after two starts:\n%s", out)
			}
			require.NoError(t, d.Start())
			gaps := 0
			for _, l := range auditLines(t, d) {
				if l["event"] == "gap" {
					gaps++
				}
			}
			if gaps != 1 {
				t.Errorf("one gap has %d lines", gaps)
			}
			vtoken(t, d, "audit", "archive")
			vtoken(t, d, "audit", "verify")
			recorded(t, auditLines(t, d), map[string]any{"event": "archive", "result": "ok"})
		})
	}
}

// cutLines takes the last two lines off a file.
func cutLines(t *testing.T, _, file string) {
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	rows := bytes.SplitAfter(text, []byte("\n"))
	require.NoError(t, os.WriteFile(file, bytes.Join(rows[:len(rows)-3], nil), 0o600))
}
