package continuity

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
)

// program is a stock program with keys on a token.
type program struct {
	name string
	// parts says that it hands the data of one operation over in several calls. What was
	// under way when the daemon ended unplanned may then fail.
	parts bool
	// logsIn says that each piece of work begins with a login, with a PIN that the program has,
	// and maybe in a new process. Where the daemon ended unplanned, a login that was under way
	// may fail, and so may what a new process begins while there is no daemon.
	logsIn bool
	// limit says that it tells the codes of calls, and is tried with a freeze that is longer
	// than a call may take.
	limit bool
	// stock says that it does not use our library, and notices all but a planned restart.
	stock bool
	start func(*stage) []operation
}

// goesThrough reports whether a program goes on after an interruption.
func (p program) goesThrough(kind harness.Interruption) bool {
	return kind.Planned || !p.stock
}

var programs = []program{
	{name: "ssh-agent", start: sshAgent},
	{name: "nginx", start: nginx},
	{name: "nginx-provider", parts: true, start: nginxProvider},
	{name: "apache-prefork", start: func(s *stage) []operation { return apache(s, "prefork") }},
	{name: "apache-event", start: func(s *stage) []operation { return apache(s, "event") }},
	{name: "stunnel", start: stunnel},
	{name: "openssl", start: openssl},
	{name: "openssl-provider", parts: true, start: opensslProvider},
	{name: "openvpn", start: openvpn},
	{name: "gnutls-serv", start: gnutlsServ},
	{name: "nss-selfserv", start: selfserv},
	{name: "java", parts: true, start: java},
	{name: "knot", logsIn: true, start: knot},
	{name: "postgresql", logsIn: true, start: postgresql},
	{name: "crypto11", limit: true, start: crypto11},
	{name: "pkcs11key", start: pkcs11key},
	{name: "pykcs11", limit: true, start: func(s *stage) []operation { return pykcs11(s, s.env["MODULE"]) }},
	{name: "pkcs11js", start: pkcs11js},
	{name: "p11-kit-client", stock: true, start: p11kitClient},
}

// ecKey makes a key for the programs that need nothing but one.
const ecKey = `pkcs11-tool --module "$MODULE" --token-label Card --login --pin "$PIN" --keypairgen --key-type EC:prime256v1 --id 02 --label ec
`

// sshAgent has the agent sign by itself, for ssh-keygen and for git.
func sshAgent(s *stage) []operation {
	s.env["SSH_AUTH_SOCK"] = s.dir + "/agent.sock"
	s.env["SSH_ASKPASS"], s.env["SSH_ASKPASS_REQUIRE"] = s.dir+"/askpass", "force"
	s.ends("agent.pid")
	s.run(ecKey + `
printf '#!/bin/sh\necho "$PIN"\n' >askpass
chmod 755 askpass
pkcs11-tool --module "$MODULE" --token-label Card --login --pin "$PIN" --keypairgen --key-type rsa:3072 --id 01 --label rsa
eval "$(ssh-agent -a "$PWD/agent.sock" -P "$(dirname "$(realpath "$MODULE")")/*")"
echo "$SSH_AGENT_PID" >agent.pid
ssh-add -s "$MODULE"
ssh-add -L >keys
grep ' rsa$' keys >rsa.pub
grep ' ec$' keys >ec.pub
printf '#!/bin/sh\nexit 1\n' >askpass
echo "alice@example.com $(cat ec.pub)" >signers
git init --quiet repository
cd repository
git config user.name Alice
git config user.email alice@example.com
git config gpg.format ssh
git config gpg.ssh.allowedSignersFile "$PWD/../signers"
git config user.signingKey "key::$(cat ../ec.pub)"
`)
	return []operation{
		s.commands("ssh-add -T ec.pub", "ssh-add -T rsa.pub"),
		s.commands("rm -f message.sig; echo hello >message; ssh-keygen -q -Y sign -f rsa.pub -n file message"),
		s.commands("cd repository; git commit --quiet --allow-empty -S -m signed; git verify-commit HEAD"),
	}
}

func nginx(s *stage) []operation {
	s.ends("nginx.pid")
	s.page("nginx", "")
	return s.handshakes("roots.pem", everyKind...)
}

// newerOpenSSL puts programs with pkcs11-provider in front of the installed ones.
func newerOpenSSL(s *stage) {
	s.run(`"$ROOT/tools/sh/openssl.sh" newer "$TEST_CACHE"`)
	s.env["PATH"] = s.dir + "/newer:" + s.env["PATH"]
}

func nginxProvider(s *stage) []operation {
	newerOpenSSL(s)
	s.ends("nginx.pid")
	s.page("nginx-provider", "")
	return s.handshakes("roots.pem", everyKind...)
}

func apache(s *stage, mpm string) []operation {
	s.env["MPM"] = mpm
	s.ends("apache.pid")
	s.page("apache", "")
	return s.handshakes("roots.pem", everyKind...)
}

// webKeys are the headings of the page of nginx that make keys and their certificates.
var webKeys = []string{"The PIN and the engine", "Keys and certificates"}

// stunnel has a web server behind it.
func stunnel(s *stage) []operation {
	behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("hello\n"))
	}))
	s.t.Cleanup(behind.Close)
	s.env["BEHIND"] = strings.TrimPrefix(behind.URL, "http://")
	s.page("nginx", `
cat >stunnel.conf <<END
foreground = quiet
pid =
debug = 4
engine = pkcs11
[web]
engineId = pkcs11
accept = 127.0.0.1:$PORT
connect = $BEHIND
cert = $PWD/web-rsa.pem
key = pkcs11:token=Card;object=web-rsa;type=private;pin-source=file:$PWD/pin
sslVersionMin = TLSv1.2
sessionCacheSize = 1
END
`, webKeys...)
	s.env["OPENSSL_CONF"] = s.dir + "/openssl.cnf"
	s.serve("exec stunnel4 stunnel.conf")
	return s.handshakes("web-rsa.pem", rsaKind...)
}

// openssl is s_server with the engine.
func openssl(s *stage) []operation {
	s.page("nginx", "cat web-rsa.pem web-ec.pem >roots.pem\n", webKeys...)
	s.env["OPENSSL_CONF"] = s.dir + "/openssl.cnf"
	s.serve(`exec openssl s_server -accept 127.0.0.1:$PORT -www -quiet -engine pkcs11 -cert web-rsa.pem -dcert web-ec.pem \
-keyform engine -key "pkcs11:token=Card;object=web-rsa;type=private;pin-source=file:$PWD/pin" \
-dkeyform engine -dkey "pkcs11:token=Card;object=web-ec;type=private;pin-source=file:$PWD/pin"`)
	return s.handshakes("roots.pem", everyKind...)
}

// opensslProvider is s_server with pkcs11-provider.
func opensslProvider(s *stage) []operation {
	newerOpenSSL(s)
	s.page("nginx-provider", "cat web-rsa.pem web-ec.pem >roots.pem\n", "The PIN and the provider", "Keys and certificates")
	s.env["OPENSSL_CONF"] = s.dir + "/openssl.cnf"
	s.serve(`exec newer/openssl s_server -accept 127.0.0.1:$PORT -www -quiet -key web-rsa.key -cert web-rsa.pem -dkey web-ec.key -dcert web-ec.pem`)
	return s.handshakes("roots.pem", everyKind...)
}

// gnutlsServ is the server of GnuTLS, which asks for no certificates of clients here.
func gnutlsServ(s *stage) []operation {
	s.env["GNUTLS_PIN"] = s.env["PIN"]
	s.page("gnutls", "", "Keys", "Certificates")
	s.serve(`exec gnutls-serv --quiet --provider "$MODULE" --port $PORT --http --disable-client-cert \
--x509keyfile 'pkcs11:token=Card;object=server;type=private' --x509certfile 'pkcs11:token=Card;object=server;type=cert'`)
	return s.handshakes("ca.pem", rsaKind...)
}

// selfserv is the server of NSS.
func selfserv(s *stage) []operation {
	script, err := harness.Page("nss", "Load the module", "Keys and certificates")
	require.NoError(s.t, err)
	// The clients of the test want a name in the certificate that curl does not need.
	script = strings.ReplaceAll(script, "-in $name.csr", "-in $name.csr -extfile <(echo subjectAltName=DNS:$name)")
	s.run(`printf %s "$PIN" >pin` + "\n" + script)
	s.serve("exec selfserv -d sql:nssdb -f pin -n Card:localhost -p $PORT")
	return s.handshakes("ca.pem", rsaKind...)
}

// java is an HttpsServer, and signatures in the same process.
func java(s *stage) []operation {
	slot, err := s.daemon.Vtoken("token", "list")
	require.NoError(s.t, err)
	require.Regexp(s.t, `Card +[a-z]+ +1 +ready`, slot)
	s.env["SLOT"] = "1"
	s.page("java", "", "Java: keytool, jarsigner and TLS through SunPKCS11", "Keys and certificates")
	s.serve(`exec java "$TESTDATA/Hello.java"`)
	return append(s.handshakes("ca.pem", rsaKind...), s.commands(
		"curl --silent --show-error --fail --cacert ca.pem https://localhost:$PORT/sign"))
}

// knot is a server of names, which signs a zone at each change.
func knot(s *stage) []operation {
	s.ends("knot.pid")
	s.page("knot", "")
	return []operation{
		s.commands(`text=$(date +%s%N)
printf 'server 127.0.0.1 %s\nzone example.\nupdate delete a.example. TXT\nupdate add a.example. 60 TXT %s\nsend\n' "$PORT" "$text" |
	knsupdate -t 100 -r 0
answer=$(kdig @127.0.0.1 -p "$PORT" +dnssec +time=100 a.example TXT)
grep "TXT.*$text" <<<"$answer"
grep "RRSIG.*TXT 13 2" <<<"$answer"`),
		s.commands(`rm -rf flushed && mkdir flushed
knotc -t 100 -c knot.conf -b zone-sign example
knotc -t 100 -c knot.conf -b zone-flush example +outdir "$PWD/flushed"
kzonecheck -d on -o example flushed/example.zone`),
	}
}

// postgresql is a client of a database, short runs and one that connects again and again.
func postgresql(s *stage) []operation {
	s.ends("db/pid")
	s.page("postgresql", "")
	for name, value := range map[string]string{"OPENSSL_CONF": "openssl.cnf", "PGSERVICEFILE": "service.conf"} {
		s.env[name] = s.dir + "/" + value
	}
	s.env["PGSERVICE"] = "card"
	return []operation{
		s.commands(`test "$(psql -XAtc 'SELECT current_user')" = alice`),
		s.client(`psql -XAtq < <(while read -r line; do
	printf '%s\n' '\set answer failed' '\connect' "SELECT 'ok' AS answer \gset" '\echo :answer'
done)`),
	}
}

// openvpn is a client that connects again and again.
func openvpn(s *stage) []operation {
	s.env["MANAGEMENT"] = strconv.Itoa(s.port())
	s.ends("server.pid")
	s.ends("client.pid")
	s.page("openvpn", "")
	return []operation{s.client(`/usr/bin/python3 "$TESTDATA/openvpn.py"`)}
}

// pkcs11key is what Let's Encrypt's programs use.
func pkcs11key(s *stage) []operation {
	s.run(ecKey + `
pkcs11-tool --module "$MODULE" --token-label Card --read-object --type pubkey --id 02 --output-file ec.der
cp -r "$TESTDATA/pkcs11key/." . && go build -o client .`)
	return []operation{s.client("./client"), s.client("./client")}
}

// crypto11 is what programs in Go use.
func crypto11(s *stage) []operation {
	s.run(ecKey + `cp -r "$TESTDATA/crypto11/." . && go build -o client .`)
	return []operation{s.client("./client"), s.client("./client")}
}

// pykcs11 is what programs in Python use.
func pykcs11(s *stage, module string) []operation {
	s.run(ecKey)
	s.env["CLIENT_MODULE"] = module
	return []operation{
		s.client(`/usr/bin/python3 "$TESTDATA/client.py"`), s.client(`/usr/bin/python3 "$TESTDATA/client.py"`),
	}
}

// p11kitClient is a program with the library of p11-kit in place of ours.
func p11kitClient(s *stage) []operation {
	module, err := harness.P11KitClient()
	require.NoError(s.t, err)
	return pykcs11(s, module)
}

// pkcs11js is what programs in Node.js use. npm compiles it once for all runs.
func pkcs11js(s *stage) []operation {
	s.run(ecKey + `
export npm_config_nodedir=/usr
folder=$TEST_CACHE/pkcs11js-$(sha256sum <"$TESTDATA/node/package-lock.json" | cut -c-16)-$(node --version)
mkdir -p "$TEST_CACHE"
exec 9>"$folder.lock"
flock 9
if [ ! -e "$folder" ]; then
	rm -rf "$folder.new"
	cp -r "$TESTDATA/node" "$folder.new"
	(cd "$folder.new" && npm ci)
	mv "$folder.new" "$folder"
fi
ln -s "$folder/node_modules" node_modules
cp "$TESTDATA/node/client.js" .
`)
	return []operation{s.client("node client.js"), s.client("node client.js")}
}
