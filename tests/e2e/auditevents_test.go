package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/p11module/remote"
	"vtoken/tests/harness"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/secret"
)

// Who a line says that did something.
type who int

const (
	application who = iota // a process, about a token
	admin                  // a process on the admin socket, in a request
	apiKey                 // the holder of an API key, in a request from somewhere
)

// audited is something that happens, and what its line says of it.
type audited struct {
	name string
	do   func() error
	by   who
	want map[string]any
}

// stage is a daemon with tokens to do things to.
type stage struct {
	t                   *testing.T
	d                   *harness.Daemon
	card, locked, fresh string // ids of tokens
	dir                 string
	keyFile             string // of an API key
	client              *remote.Client
	user                ck.SessionHandle // of the card's user
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{t: t, d: start(t), dir: t.TempDir()}
	for label, id := range map[string]*string{"Card": &s.card, "Locked": &s.locked, "Fresh": &s.fresh} {
		made, err := s.d.NewTokenFor(me(t), label, harness.PIN, harness.SOPIN)
		require.NoError(t, err)
		*id = made
	}
	s.keyFile = filepath.Join(s.dir, "key")
	require.NoError(t, os.WriteFile(s.keyFile, []byte(vtoken(t, s.d, "apikey", "create", "provisioner", "--role", "admin")), 0o600))
	s.client = dialDaemon(s.d)
	t.Cleanup(func() { s.client.Close() })
	return s
}

// session opens a session on a token and logs in.
func (s *stage) session(token string, user ck.UserType, pin string) (ck.SessionHandle, error) {
	h, err := s.client.OpenSession(slotsOf(s.t, s.d)[token], ck.CKF_SERIAL_SESSION|ck.CKF_RW_SESSION)
	if err != nil {
		return 0, err
	}
	return h, s.client.Login(h, user, secret.Bytes(pin))
}

// file writes a secret to a file.
func (s *stage) file(name, text string) string {
	path := filepath.Join(s.dir, name)
	require.NoError(s.t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func (s *stage) cli(args ...string) func() error {
	return func() error { _, err := s.d.Vtoken(args...); return err }
}

// remoteCLI runs the CLI over HTTPS with the API key.
func (s *stage) remoteCLI(args ...string) func() error {
	return s.cli(append(args, "--api", s.d.API, "--ca-file", s.d.CA, "--api-key-file", s.keyFile)...)
}

// fails is something that has to fail.
func fails(do func() error) func() error {
	return func() error {
		if do() == nil {
			return errors.New("it did not fail")
		}
		return nil
	}
}

// secretKey is an AES key on the token, which may be wrapped and read.
func secretKey(id string, more ...ck.Attribute) ck.Template {
	return append(ck.Template{
		ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_AES), ck.Bool(ck.CKA_TOKEN, true),
		ck.String(ck.CKA_ID, id), ck.Bool(ck.CKA_EXTRACTABLE, true), ck.Bool(ck.CKA_SENSITIVE, false),
	}, more...)
}

// find finds the one key with an id.
func (s *stage) find(id string) (ck.ObjectHandle, error) {
	list, err := search(s.client, s.user, ck.Template{ck.String(ck.CKA_ID, id), ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY)})
	if err == nil && len(list) != 1 {
		err = fmt.Errorf("%d keys have the id %s", len(list), id)
	}
	if err != nil {
		return 0, err
	}
	return list[0], nil
}

// wrapped wraps the key "read" under the key "wrap".
func (s *stage) wrapped() ([]byte, error) {
	wrapping, err := s.find("wrap")
	if err != nil {
		return nil, err
	}
	key, err := s.find("read")
	if err != nil {
		return nil, err
	}
	out := make([]byte, 64)
	n, err := s.client.WrapKey(s.user, &ck.Mechanism{Type: ck.CKM_AES_KEY_WRAP_KWP}, wrapping, key, remote.Out{To: out})
	return out[:n], err
}

func (s *stage) keys() []audited {
	object := func(event, id string) map[string]any {
		return map[string]any{"event": event, "result": "ok", "token": s.card, "object.id": fmt.Sprintf("%x", id), "object.class": "CKO_SECRET_KEY"}
	}
	return []audited{
		{"a key is made", func() error {
			_, err := s.client.GenerateKey(s.user, &ck.Mechanism{Type: ck.CKM_AES_KEY_GEN},
				secretKey("wrap", ck.Ulong(ck.CKA_VALUE_LEN, uint64(32)), ck.Bool(ck.CKA_WRAP, true), ck.Bool(ck.CKA_UNWRAP, true),
					ck.Bool(ck.CKA_ENCRYPT, false), ck.Bool(ck.CKA_DECRYPT, false)))
			return err
		}, application, object("generate-key", "wrap")},
		{"a key is brought along", func() error {
			_, err := s.client.CreateObject(s.user, secretKey("read", ck.Bytes(ck.CKA_VALUE, make([]byte, 16))))
			return err
		}, application, object("create-key", "read")},
		{"a key is read", func() error {
			key, err := s.find("read")
			if err != nil {
				return err
			}
			return s.client.GetAttributeValue(s.user, key, []ck.AttributeQuery{{Type: ck.CKA_VALUE, Buffer: ck.Buffer{Len: 64}}}, func(int, ck.AttributeResult) {})
		}, application, object("read-key", "read")},
		{"a key is wrapped", func() error { _, err := s.wrapped(); return err }, application, object("wrap-key", "read")},
		{"a key is unwrapped", func() error {
			blob, err := s.wrapped()
			if err != nil {
				return err
			}
			wrapping, err := s.find("wrap")
			if err != nil {
				return err
			}
			_, err = s.client.UnwrapKey(s.user, &ck.Mechanism{Type: ck.CKM_AES_KEY_WRAP_KWP}, wrapping, blob, ck.Template{
				ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_AES),
				ck.Bool(ck.CKA_TOKEN, true), ck.String(ck.CKA_ID, "back"),
			})
			return err
		}, application, object("unwrap-key", "back")},
		{"a key is copied", func() error {
			key, err := s.find("read")
			if err != nil {
				return err
			}
			_, err = s.client.CopyObject(s.user, key, ck.Template{ck.String(ck.CKA_ID, "copy")})
			return err
		}, application, object("copy-key", "copy")},
		{"a key is destroyed", func() error {
			key, err := s.find("copy")
			if err != nil {
				return err
			}
			return s.client.DestroyObject(s.user, key)
		}, application, object("destroy-key", "copy")},
	}
}

func (s *stage) pins() []audited {
	card := func(event, result, role string) map[string]any {
		return map[string]any{"event": event, "result": result, "role": role, "token": s.card}
	}
	return []audited{
		{"a failed login", fails(func() error { _, err := s.session(s.card, ck.CKU_USER, "wrong-pin"); return err }), application, card("login", "CKR_PIN_INCORRECT", "user")},
		{"a login", func() (err error) { s.user, err = s.session(s.card, ck.CKU_USER, harness.PIN); return err }, application, card("login", "ok", "user")},
		{"a PIN change", func() error { return s.client.SetPIN(s.user, secret.Bytes(harness.PIN), secret.Bytes("changed-pin")) }, application, card("set-pin", "ok", "user")},
		{"a PIN that is locked", func() error { return lockCard(s) }, application,
			map[string]any{"event": "login", "result": "CKR_PIN_LOCKED", "token": s.locked, "locked": true}},
		{"a PIN set by the SO", func() error {
			h, err := s.session(s.fresh, ck.CKU_SO, harness.SOPIN)
			if err != nil {
				return err
			}
			return errors.Join(s.client.InitPIN(h, secret.Bytes("by the SO")), s.client.CloseSession(h))
		}, application, map[string]any{"event": "init-pin", "result": "ok", "token": s.fresh}},
		{"a token that is emptied", func() error {
			return s.client.InitToken(slotsOf(s.t, s.d)[s.fresh], secret.Bytes(harness.SOPIN), "Fresh")
		}, application, map[string]any{"event": "init-token", "result": "ok", "token": s.fresh, "role": "SO"}},
	}
}

// lockCard enters wrong PINs until there are no more tries.
func lockCard(s *stage) error {
	for i := range 20 {
		_, err := s.session(s.locked, ck.CKU_USER, fmt.Sprint("wrong ", i))
		if errors.Is(err, ck.CKR_PIN_LOCKED) {
			return nil
		}
	}
	return errors.New("20 wrong PINs have not locked the token")
}

func (s *stage) administration() []audited {
	words := s.file("words", "correct horse battery staple")
	call := func(operation string, more ...any) map[string]any {
		want := map[string]any{"event": "api", "detail": operation, "result": "ok"}
		for i := 0; i < len(more); i += 2 {
			want[more[i].(string)] = more[i+1]
		}
		return want
	}
	kek := "passphrase:file=" + words
	return []audited{
		{"an unlock", s.cli("token", "unlock", s.locked), admin, call("POST /v1/tokens/{tokenId}/unlock", "token", s.locked, "tries", "user PIN unlocked")},
		{"a token is made", s.cli("token", "create", "--user", me(s.t), "--label", "Another", "--quiet",
			"--user-pin-file", s.file("pin", harness.PIN)), admin, call("POST /v1/tokens")},
		{"a token is switched off", s.cli("token", "disable", s.fresh), admin, call("PATCH /v1/tokens/{tokenId}", "token", s.fresh)},
		{"a token is deleted", s.cli("token", "delete", s.fresh, "--yes"), admin, call("DELETE /v1/tokens/{tokenId}", "token", s.fresh)},
		{"a user", s.cli("user", "create", "alice"), admin, call("POST /v1/users")},
		{"a call with an API key", s.remoteCLI("token", "list"), apiKey, call("GET /v1/tokens", "caller", "provisioner")},
		{"a PIN reset that is refused", fails(s.remoteCLI("token", "reset-pin", s.card, "--user-pin-file", s.file("new", "123456"))), apiKey,
			map[string]any{"event": "api", "detail": "POST /v1/tokens/{tokenId}/pin", "result": "sealed", "token": s.card}},
		{"what a role may not", fails(s.remoteCLI("kek", "list")), apiKey, map[string]any{"event": "api", "detail": "GET /v1/keks", "result": "forbidden"}},
		{"a KEK is added", s.cli("kek", "add", kek), admin, call("POST /v1/keks", "object.id", kek, "object.class", "KEK")},
		{"the root key is rotated", s.cli("kek", "rotate"), admin, call("POST /v1/rotation")},
		{"a KEK is removed", s.cli("kek", "remove", kek, "--yes"), admin, call("DELETE /v1/keks/{kek}", "object.id", kek)},
		{"a backup", s.cli("backup", filepath.Join(s.dir, "backup")), admin, call("GET /v1/backup")},
		{"a tenant", s.cli("tenant", "create", "sales"), admin, call("POST /v1/tenants")},
		{"an API key is revoked", s.cli("apikey", "revoke", "provisioner", "--yes"), admin, call("DELETE /v1/apikeys/{name}")},
	}
}

// TestEveryEventIsRecorded makes each kind of event happen, and finds its one line
// with who did it, to what, when, and how it ended.
func TestEveryEventIsRecorded(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	events := append(append(s.pins(), s.keys()...), s.administration()...)
	for _, e := range events {
		begun, before := time.Now(), len(auditLines(t, s.d))
		if err := e.do(); err != nil {
			t.Errorf("%s: %v", e.name, err)
			continue
		}
		line := recorded(t, flat(auditLines(t, s.d)[before:]), e.want)
		if line == nil {
			t.Errorf("%s is not recorded so", e.name)
			continue
		}
		checkWho(t, e, line)
		at, err := time.Parse(time.RFC3339Nano, line["time"].(string))
		if err != nil || at.Before(begun.Add(-time.Second)) || at.After(time.Now().Add(time.Second)) {
			t.Errorf("%s is said to be at %v, %v", e.name, line["time"], err)
		}
	}
	require.NoError(t, s.d.Stop())
	require.NoError(t, s.d.Start())
	lines := auditLines(t, s.d)
	recorded(t, lines, map[string]any{"event": "start", "result": "ok"})
	recorded(t, lines, map[string]any{"event": "stop", "result": "ok"})
	vtoken(t, s.d, "audit", "verify")
}

// flat has the members of process and object under names of their own.
func flat(lines []map[string]any) []map[string]any {
	for _, l := range lines {
		for _, of := range []string{"process", "object"} {
			members, _ := l[of].(map[string]any)
			for name, value := range members {
				l[of+"."+name] = value
			}
		}
	}
	return lines
}

// checkWho looks for who did it.
func checkWho(t *testing.T, e audited, line map[string]any) {
	t.Helper()
	has := func(names ...string) {
		t.Helper()
		for _, name := range names {
			if v := line[name]; v == nil || v == "" {
				t.Errorf("%s: the line does not tell its %s: %v", e.name, name, line)
			}
		}
	}
	switch uid, _ := line["process.uid"].(float64); {
	case e.by == application:
		has("process.pid", "process.exe", "token", "tenant", "serial", "slot")
		self, err := os.Executable()
		require.NoError(t, err)
		if int(uid) != os.Getuid() || line["process.exe"] != self {
			t.Errorf("%s was done by this process, not by %v", e.name, line["process"])
		}
	case e.by == admin:
		has("process.pid", "caller", "request")
		if exe, _ := line["process.exe"].(string); int(uid) != os.Getuid() || filepath.Base(exe) != "vtoken" {
			t.Errorf("%s was done by vtoken, not by %v", e.name, line["process"])
		}
	case e.by == apiKey:
		has("caller", "from", "request", "tenant")
		if line["caller"] != "provisioner" || line["process"] != nil {
			t.Errorf("%s was done by the API key, not by %v", e.name, line)
		}
	}
}

// TestOfflineEventsAreRecorded: restoring a backup is on record, before the daemon
// runs again, and where the log is another daemon's it is refused.
func TestOfflineEventsAreRecorded(t *testing.T) {
	t.Parallel()
	d := start(t)
	require.NoError(t, d.NewToken("Card", harness.PIN, harness.SOPIN))
	file := filepath.Join(d.Dir, "backup")
	vtoken(t, d, "backup", file)
	elsewhere := filepath.Join(d.Dir, "elsewhere")
	require.NoError(t, os.Mkdir(elsewhere, 0o700))
	key, err := os.ReadFile(filepath.Join(d.DataDir, "kek.key"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(elsewhere, "kek.key"), key, 0o600))
	refusedRestore(t, d, "another program writes this audit log", file, "--data-dir", elsewhere, "--audit-dir", filepath.Join(d.DataDir, "audit"))
	require.NoError(t, d.Stop())
	vtoken(t, d, "restore", file, "--data-dir", elsewhere)
	d.DataDir = elsewhere
	d.CA = filepath.Join(elsewhere, "api.crt")
	require.NoError(t, d.Start())
	line := recorded(t, flat(auditLines(t, d)), map[string]any{"event": "restore", "result": "ok"})
	if line == nil {
		t.FailNow()
	}
	exe, _ := line["process.exe"].(string)
	if filepath.Base(exe) != "vtokend" || line["caller"] != me(t) || line["process.pid"] == nil {
		t.Errorf("the line does not tell who restored: %v", line)
	}
	// The log of before is not in this folder, which is a gap until somebody says so.
	out, err := exec.Command(d.Bin("vtoken"), "audit", "archive", "--admin-socket", d.AdminSocket).CombinedOutput()
	require.NoError(t, err, "archive what is in another folder\n%s", out)
	out, err = exec.Command(d.Bin("vtoken"), "audit", "verify", "--admin-socket", d.AdminSocket).CombinedOutput()
	require.NoError(t, err, "the log of a restored store\n%s", out)
}
