package main

import (
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"

	"vtoken/provisioning/api"
)

// paste has the token and the path from which lines for configurations are made.
type paste struct {
	token   *api.Token
	objects []api.Object
	module  string // path of vtoken-pkcs11.so
	socket  string // where the daemon serves PKCS#11
}

// pasteText is the template of what people paste. It contains no PIN: each program asks
// for it.
const pasteText = `
{{if .Closed}}# Applications do not see this token now: {{.Closed}}.

{{end}}{{if .Socket}}# The daemon is not at the usual place; this is how the module finds it.
export VTOKEN_P11_SOCKET={{.Socket}}

{{end}}# pkcs11-tool
pkcs11-tool --module {{.Module}} --slot {{.Slot}} --login --list-objects
{{- if eq .KeyType "RSA"}}
pkcs11-tool --module {{.Module}} --slot {{.Slot}} --login --sign -m SHA256-RSA-PKCS --id {{.KeyID}} -i FILE -o FILE.sig
{{- else if eq .KeyType "EC"}}
openssl dgst -sha256 -binary FILE | pkcs11-tool --module {{.Module}} --slot {{.Slot}} --login --sign -m ECDSA --signature-format openssl --id {{.KeyID}} -o FILE.sig
{{- else if not .Closed}}
pkcs11-tool --module {{.Module}} --slot {{.Slot}} --login --keypairgen --key-type EC:prime256v1 --id 01 --label NAME
{{- end}}

# OpenSSL 3, with the engine of libp11 (Debian: libengine-pkcs11-openssl)
cat > vtoken-openssl.cnf <<'END'
openssl_conf = vtoken_init
[vtoken_init]
engines = vtoken_engines
[vtoken_engines]
pkcs11 = vtoken_pkcs11
[vtoken_pkcs11]
engine_id = pkcs11
MODULE_PATH = {{.RawModule}}
END
OPENSSL_CONF=$PWD/vtoken-openssl.cnf openssl dgst -engine pkcs11 -keyform engine -sign {{.KeyURI}} -sha256 -out FILE.sig FILE

# OpenSSL 3 without engines (Debian 13: pkcs11-provider)
cat > vtoken-provider.cnf <<'END'
openssl_conf = vtoken_init
[vtoken_init]
providers = vtoken_providers
[vtoken_providers]
default = vtoken_default
pkcs11 = vtoken_pkcs11
[vtoken_default]
activate = 1
[vtoken_pkcs11]
pkcs11-module-path = {{.RawModule}}
activate = 1
END
OPENSSL_CONF=$PWD/vtoken-provider.cnf openssl dgst -sha256 -out FILE.sig -sign {{.KeyURI}} FILE

# ssh: print the public keys for authorized_keys, log in with one
ssh-keygen -D {{.Module}}
ssh -I {{.Module}} USER@HOST

# p11-kit: tell every program that uses it of the module ({{.ForWhom}})
mkdir -p {{.KitDir}}
echo 'module: {{.RawModule}}' > {{.KitDir}}/vtoken.module
p11tool --list-all {{.TokenURI}}

# p11-kit without our module: its own client, and where the daemon is
export P11_KIT_SERVER_ADDRESS={{.Address}}
pkcs11-tool --module {{.KitClient}} --slot {{.Slot}} --login --list-objects
`

// pasteFields are the values in pasteText, quoted for the shell but for the
// "raw" ones.
type pasteFields struct {
	Closed            string
	Socket            string // where the module has to be told, else empty
	Module, RawModule string
	Slot              string
	KeyType, KeyID    string
	KeyURI, TokenURI  string
	ForWhom, KitDir   string // p11-kit ignores the configuration of root as a user
	Address           string
	KitClient         string
}

func (a *app) writePaste(w io.Writer, p paste) error {
	t, err := template.New("paste").Parse(pasteText)
	if err != nil {
		return err
	}
	return t.Execute(w, a.pasteFields(p))
}

// pasteFields are the values in pasteText, quoted for the shell except for the "raw"
// ones.
func (a *app) pasteFields(p paste) pasteFields {
	socket := p.socket
	if socket == "" {
		socket = a.defaultSocket(p11SocketName)
	}
	f := pasteFields{
		Closed:    closed(p.token),
		Module:    shellQuote(p.module),
		RawModule: printable(p.module),
		Slot:      strconv.FormatUint(p.token.Slot, 10),
		KeyURI:    shellQuote(p.token.URI + ";id=%01;type=private"),
		TokenURI:  shellQuote(p.token.URI),
		ForWhom:   "for you; in /etc/pkcs11/modules for all users",
		KitDir:    "~/.config/pkcs11/modules",
		Address:   shellQuote("unix:path=" + socket),
		KitClient: shellQuote(findKitClient()),
	}
	if os.Geteuid() == 0 {
		f.ForWhom, f.KitDir = "for all users; in ~/.config/pkcs11/modules for one", "/etc/pkcs11/modules"
	}
	if !a.usualP11Socket(socket) {
		f.Socket = shellQuote(socket)
	}
	for _, o := range p.objects {
		if o.Class == "private key" {
			f.KeyType, f.KeyID, f.KeyURI = o.KeyType, o.ID, shellQuote(o.URI)
			break
		}
	}
	return f
}

// closed returns why applications do not see a token, or an empty string.
func closed(t *api.Token) string {
	switch {
	case !t.Complete:
		return "it is not complete (vtoken token complete " + t.ID + ")"
	case !t.Enabled:
		return "it is disabled (vtoken token enable " + t.ID + ")"
	}
	return ""
}

// moduleName is the file name of the PKCS#11 module.
const moduleName = "vtoken-pkcs11.so"

// findModule returns the path of the PKCS#11 module: the one that is named, else the one
// that was built or installed with this program, else only its name.
func findModule(asked string) string {
	if asked != "" {
		return absolute(asked)
	}
	self, err := os.Executable()
	if err != nil {
		return moduleName
	}
	dir := filepath.Dir(self)
	return firstThatIs(moduleName,
		filepath.Join(dir, moduleName),
		filepath.Join(dir, "../lib/*/pkcs11", moduleName),
		filepath.Join(dir, "../lib/pkcs11", moduleName),
		filepath.Join(dir, "../lib64/pkcs11", moduleName))
}

// findKitClient returns the path of p11-kit's client module.
func findKitClient() string {
	const name = "p11-kit-client.so"
	return firstThatIs(name, "/usr/lib/*/pkcs11/"+name, "/usr/lib/pkcs11/"+name, "/usr/lib64/pkcs11/"+name)
}

// firstThatIs returns the first file that matches one of the patterns, else name.
func firstThatIs(name string, patterns ...string) string {
	for _, p := range patterns {
		if found, err := filepath.Glob(p); err == nil && len(found) > 0 {
			return found[0]
		}
	}
	return name
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// shellQuote makes s one word of a POSIX shell. It does not change s if that is safe.
func shellQuote(s string) string {
	s = printable(s)
	safe := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-._/:=@%+,", r)
	}
	if s != "" && strings.TrimFunc(s, safe) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
