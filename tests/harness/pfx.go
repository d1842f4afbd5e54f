package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// PFX says what is in a PFX file that openssl makes.
type PFX struct {
	Key      string // as openssl genpkey knows it: "rsa:3072", or a curve's name
	Subject  string // of the leaf, such as "/CN=alice"
	Name     string // friendly name
	Password string
	Legacy   bool // RC2 and 3DES rather than AES-256
}

// Write makes name.pfx in dir, with a leaf under an intermediate authority under
// a root. Beside it are left: name.pem (leaf certificate), name.pub (public
// key), name-ca.pem (the chain).
func (p PFX) Write(dir, name string) error {
	sh := exec.Command("bash", "-euc", pfxScript)
	sh.Dir = dir
	sh.Env = append(os.Environ(), "NAME="+name, "KEY="+p.Key, "SUBJECT="+p.Subject,
		"FRIENDLY="+p.Name, "PASSWORD="+p.Password, "LEGACY=")
	if p.Legacy {
		sh.Env = append(sh.Env, "LEGACY=-legacy")
	}
	if out, err := sh.CombinedOutput(); err != nil {
		return fmt.Errorf("making %s with openssl: %w\n%s", filepath.Join(dir, name+".pfx"), err, out)
	}
	return nil
}

const pfxScript = `
genkey() {
	case "$1" in
	rsa:*) openssl genpkey -quiet -algorithm RSA -pkeyopt "rsa_keygen_bits:${1#rsa:}" -out "$2" ;;
	*)     openssl genpkey -quiet -algorithm EC -pkeyopt "ec_paramgen_curve:$1" -out "$2" ;;
	esac
}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
genkey P-256 "$tmp/root.key"
openssl req -x509 -new -key "$tmp/root.key" -subj "/O=Canary Root" -days 3650 -out "$tmp/root.pem"
genkey P-256 "$tmp/inter.key"
printf 'basicConstraints=critical,CA:true\nkeyUsage=keyCertSign,cRLSign\n' >"$tmp/ca.ext"
openssl req -new -key "$tmp/inter.key" -subj "/O=Canary Intermediate" -out "$tmp/inter.csr"
openssl x509 -req -in "$tmp/inter.csr" -CA "$tmp/root.pem" -CAkey "$tmp/root.key" -set_serial 2 -days 3650 -extfile "$tmp/ca.ext" -out "$tmp/inter.pem"
genkey "$KEY" "$tmp/leaf.key"
openssl req -new -key "$tmp/leaf.key" -subj "$SUBJECT" -out "$tmp/leaf.csr"
openssl x509 -req -in "$tmp/leaf.csr" -CA "$tmp/inter.pem" -CAkey "$tmp/inter.key" -set_serial 0x1234567890abcdef -days 365 -out "$NAME.pem"
cat "$tmp/inter.pem" "$tmp/root.pem" >"$NAME-ca.pem"
openssl x509 -in "$NAME.pem" -noout -pubkey >"$NAME.pub"
openssl pkcs12 -export $LEGACY -in "$NAME.pem" -inkey "$tmp/leaf.key" -certfile "$NAME-ca.pem" ${FRIENDLY:+-name "$FRIENDLY"} -passout env:PASSWORD -out "$NAME.pfx"
`
