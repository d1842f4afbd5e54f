package arch

import (
	"slices"
	"strings"
	"testing"
)

// layer says what the packages of a folder may import of the module.
type layer struct {
	name  string
	of    []string // packages that the rule is for; "x/..." takes all below x, too
	may   []string // what they may import of the module
	never []string // what must not be among all that they depend on, such as net/http
	only  bool     // nothing outside of the module and the standard library
}

// layers are the import rules, the first that fits a package counts. What no
// layer is for fails the test, so that a new folder gets its rule.
var layers = [...]layer{
	{name: "the vocabulary knows nobody", only: true,
		of: []string{"vtoken/ck", "vtoken/secret", "vtoken/p11uri"}},
	{name: "the version knows the vocabulary", only: true,
		of: []string{"vtoken/version"}, may: []string{"vtoken/ck"}},
	{name: "the wire codec knows the vocabulary", only: true,
		of: []string{"vtoken/p11rpc"}, may: []string{"vtoken/ck", "vtoken/secret"}, never: []string{"net/http"}},
	{name: "inside the engine imports go down only", only: true,
		of: []string{"vtoken/pin"}, may: []string{"vtoken/ck", "vtoken/secret"}},
	{name: "inside the engine imports go down only",
		of: []string{"vtoken/object"}, may: []string{"vtoken/ck", "vtoken/secret"}, never: []string{"net/http"}},
	{name: "an algorithm policy is a table", only: true,
		of: []string{"vtoken/policy"}, may: []string{"vtoken/ck"}},
	{name: "records are values",
		of: []string{"vtoken/record"}, may: []string{"vtoken/ck", "vtoken/secret", "vtoken/pin", "vtoken/object", "vtoken/policy"}, never: []string{"net/http"}},
	{name: "mechanisms know objects and the vocabulary",
		of: []string{"vtoken/mech/..."}, may: []string{"vtoken/ck", "vtoken/secret", "vtoken/object", "vtoken/mech/..."}, never: []string{"net/http"}},
	{name: "the engine knows no store, no socket, no HTTP",
		of: []string{"vtoken"}, may: []string{"vtoken/..."}, never: []string{"net/http", "go.etcd.io/bbolt", "vtoken/vtoken/p11rpc"}},
	{name: "the store for tests of the engine knows the engine",
		of: []string{"vtoken/enginetest"}, may: []string{"vtoken", "vtoken/..."}},
	{name: "accounts of memory know the codes of errors",
		of: []string{"vtoken/meter"}, may: []string{"vtoken/ck"}, never: []string{"net/http"}},
	{name: "no package of the engine looks upwards",
		of: []string{"vtoken/..."}, may: []string{"vtoken/ck", "vtoken/secret", "vtoken/pin", "vtoken/object", "vtoken/record"}, never: []string{"net/http"}},

	{name: "the module in the host process is small and silent",
		of: []string{"p11module/..."}, may: []string{"vtoken/ck", "vtoken/secret", "vtoken/p11rpc", "vtoken/version", "p11module/..."},
		never: []string{"net/http", "vtoken/vtoken", "go.etcd.io/bbolt"}},

	// Testify, which the suites use, imports net/http.
	{name: "the suite of key-value stores knows bytes only",
		of: []string{"keystore/kv/kvtest"}, may: []string{"keystore/kv"}},
	{name: "the suite of KEK providers knows KEKs only",
		of: []string{"keystore/kek/kektest/..."}, may: []string{"keystore/kek", "keystore/kek/kektest/...", "vtoken/secret"}},
	{name: "key-value stores know bytes only",
		of: []string{"keystore/kv/..."}, may: []string{"keystore/kv/...", "vtoken/secret"}, never: []string{"net/http", "vtoken/vtoken/ck"}},
	{name: "KEK providers know KEKs only",
		of: []string{"keystore/kek/..."}, may: []string{"keystore/kek/...", "vtoken/secret"}, never: []string{"net/http", "go.etcd.io/bbolt"}},
	{name: "the envelope knows bytes only",
		of: []string{"keystore/envelope"}, may: []string{"vtoken/secret"}, never: []string{"net/http", "go.etcd.io/bbolt"}},
	{name: "the format of backups knows nobody", only: true,
		of: []string{"keystore/backup"}},
	{name: "the keystore knows values of the engine, not the engine",
		of: []string{"keystore/..."}, may: []string{"keystore/...", "vtoken/ck", "vtoken/object", "vtoken/pin", "vtoken/policy", "vtoken/record", "vtoken/secret"},
		never: []string{"net/http", "vtoken/vtoken"}},

	{name: "the budget of a request knows no file",
		of: []string{"provisioning/work"}, may: []string{"vtoken/secret"}, never: []string{"net/http"}},
	{name: "one-time passwords and the files that somebody sends are values",
		of: []string{"provisioning/oath", "provisioning/seedfile", "provisioning/pfxfile"}, may: []string{"provisioning/work", "vtoken/secret"}, never: []string{"net/http"}},
	{name: "the text of callers is bounded without knowing what it is for", only: true,
		of: []string{"provisioning/text"}},
	{name: "distinguished names are text", only: true,
		of: []string{"provisioning/dn"}, may: []string{"provisioning/text"}},
	{name: "the pace of tries knows no secret and no token", only: true,
		of: []string{"provisioning/pace"}, may: []string{"vtoken/pin"}},
	{name: "what is in a PFX makes objects, and knows no token",
		of:    []string{"provisioning/pfx"},
		may:   []string{"provisioning/pfxfile", "provisioning/text", "provisioning/work", "vtoken/ck", "vtoken/object", "vtoken/secret"},
		never: []string{"net/http"}},
	{name: "lint looks at objects, and knows no token",
		of: []string{"provisioning/lint"}, may: []string{"provisioning/text", "vtoken/ck", "vtoken/object"}, never: []string{"net/http"}},
	{name: "the provisioning core knows no HTTP and no dialect",
		of: []string{"provisioning"}, may: []string{
			"provisioning/directory", "provisioning/dn", "provisioning/lint", "provisioning/oath", "provisioning/pace", "provisioning/pfx",
			"provisioning/seedfile", "provisioning/text", "vtoken/ck", "vtoken/object", "vtoken/pin", "vtoken/policy", "vtoken/record", "vtoken/secret", "vtoken/mech"},
		never: []string{"net/http", "go.etcd.io/bbolt", "vtoken/vtoken"}},
	{name: "the directory of tokens knows records",
		of: []string{"provisioning/directory"}, may: []string{"vtoken/record"}, never: []string{"net/http", "go.etcd.io/bbolt"}},
	{name: "the store for tests of provisioning knows the core",
		of: []string{"provisioning/provtest"}, may: []string{"provisioning", "vtoken/ck", "vtoken/object", "vtoken/pin", "vtoken/record", "vtoken/secret"}},
	{name: "signed tokens know nobody",
		of: []string{"provisioning/httpkit/jwtauth"}, may: nil, never: []string{"go.etcd.io/bbolt"}},
	{name: "the HTTP kit knows the core",
		of: []string{"provisioning/httpkit/..."}, may: []string{"provisioning", "provisioning/httpkit/...", "vtoken/record", "vtoken/secret"}},
	{name: "the interface of dialects knows none of them",
		of: []string{"provisioning/dialect"}, may: []string{"provisioning", "provisioning/httpkit", "vtoken/secret"}},
	{name: "the list of dialects knows them all",
		of: []string{"provisioning/dialect/all"}, may: []string{"provisioning", "provisioning/httpkit", "provisioning/dialect/..."}},
	{name: "the suite for dialects knows none of them",
		of:  []string{"provisioning/dialect/dialecttest"},
		may: []string{"provisioning", "provisioning/httpkit", "provisioning/provtest", "provisioning/dialect", "vtoken/ck", "vtoken/object", "vtoken/pin", "vtoken/record", "vtoken/secret"}},
	{name: "the JSON of the native API knows nobody",
		of: []string{"provisioning/api"}, may: []string{"vtoken/secret"}},
	{name: "the server for tests of the native API joins its parts",
		of: []string{"provisioning/dialect/native/nativetest"}, may: []string{"provisioning/...", "vtoken/..."}},
	{name: "the native API serves the JSON of its client, and knows no other dialect",
		of: []string{"provisioning/dialect/native"},
		may: []string{"provisioning", "provisioning/api", "provisioning/directory", "provisioning/httpkit", "provisioning/lint",
			"provisioning/seedfile", "provisioning/dialect", "vtoken/ck", "vtoken/object", "vtoken/p11uri", "vtoken/pin",
			"vtoken/record", "vtoken/secret"}},
	{name: "a dialect knows the core and no other dialect",
		of:  []string{"provisioning/dialect/..."},
		may: []string{"provisioning", "provisioning/directory", "provisioning/httpkit", "provisioning/httpkit/jwtauth", "provisioning/seedfile", "provisioning/dialect", "vtoken/ck", "vtoken/object", "vtoken/p11uri", "vtoken/pin", "vtoken/record", "vtoken/secret", "."}},
	{name: "the client of the API knows its JSON",
		of: []string{"provisioning/client"}, may: []string{"provisioning/api", "vtoken/secret", "vtoken/version"}, never: []string{"vtoken/vtoken", "go.etcd.io/bbolt"}},

	{name: "the server of the wire joins codec and engine",
		of: []string{"daemon/p11server"}, may: []string{"daemon/peer", "vtoken", "vtoken/..."}, never: []string{"net/http", "go.etcd.io/bbolt"}},
	{name: "the queue of slow work, the process, its peers and the service manager know nobody",
		of: []string{"daemon/turns", "daemon/process", "daemon/peer", "daemon/service"}},
	{name: "the state for a successor is bytes",
		of: []string{"daemon/handover"}, may: []string{"vtoken/secret"}, never: []string{"net/http"}},
	{name: "records of logins are sealed for their process",
		of: []string{"daemon/resume"}, may: []string{"daemon/peer", "keystore/box", "vtoken", "vtoken/..."}, never: []string{"net/http", "go.etcd.io/bbolt"}},
	{name: "metrics are told what to count, and ask nobody",
		of: []string{"daemon/metrics"}, may: []string{"daemon/audit", "vtoken/ck", "vtoken/p11rpc"}},
	{name: "what is recorded and counted is of the engine, the store and the API",
		of: []string{"daemon/observe"}, may: []string{"daemon/audit", "daemon/config", "daemon/metrics", "daemon/peer", "keystore", "provisioning", "provisioning/httpkit",
			"provisioning/api", "vtoken", "vtoken/ck", "vtoken/record"}},
	{name: "the configuration, the audit log and budgets know nobody",
		of: []string{"daemon/config", "daemon/audit", "daemon/budget"}, may: nil},
	{name: "the daemon joins everything but the module, the tools and the tests",
		of: []string{"daemon"}, may: []string{"daemon/...", "keystore/...", "provisioning/...", "vtoken/..."}},

	{name: "the generator of docs/pkcs11.md reads the tables that it tells of",
		of: []string{"tools/gen/p11doc"}, may: []string{"tools/gen/cryptoki", "daemon/p11server", "vtoken/ck", "vtoken/mech", "vtoken/object", "vtoken/policy", "vtoken/p11rpc"}},
	{name: "the generator of tools/vtokenctl/dialects.json reads the descriptions of the dialects",
		of: []string{"tools/gen/dialects"}, may: []string{"provisioning", "provisioning/dialect", "provisioning/dialect/all"}},
	{name: "tools talk to the daemon through its API",
		of: []string{"tools/..."}, may: []string{"keystore/backup", "provisioning/client", "provisioning/api", "vtoken/ck", "vtoken/secret", "vtoken/p11rpc", "vtoken/version", "tools/..."},
		never: []string{"vtoken/vtoken", "go.etcd.io/bbolt"}},
	{name: "tests of whole programs know what programs offer",
		of: []string{"tests/..."}, may: []string{"tests/...", "provisioning/client", "provisioning/api", "vtoken/ck", "vtoken/secret", "vtoken/p11rpc", "vtoken/version", "p11module/remote"}},
}

// within reports whether a package is one of the patterns. self is what "."
// stands for: the folder of the package and what is below.
func within(path string, patterns []string, self string) bool {
	for _, p := range patterns {
		if p == "." {
			p = self + "/..."
		}
		tree, below := strings.CutSuffix(p, "/...")
		if path == p || below && (path == tree || strings.HasPrefix(path, tree+"/")) {
			return true
		}
	}
	return false
}

func layerOf(path string) *layer {
	for i := range layers {
		if within(path, layers[i].of, path) {
			return &layers[i]
		}
	}
	return nil
}

func TestImportRules(t *testing.T) {
	for _, p := range packages(t) {
		l := layerOf(p.path())
		if l == nil {
			t.Errorf("%s: no import rule is for it; add one to the layers", p.path())
			continue
		}
		for _, i := range p.Imports {
			ours, isOurs := strings.CutPrefix(i, module)
			if isOurs && !within(ours, l.may, p.path()) {
				t.Errorf("%s imports %s, but %s", p.path(), ours, l.name)
			}
			if !isOurs && l.only && strings.Contains(strings.Split(i, "/")[0], ".") {
				t.Errorf("%s imports %s, but it may use the standard library only", p.path(), i)
			}
		}
		for _, n := range l.never {
			if slices.Contains(p.Deps, n) {
				t.Errorf("%s depends on %s, but %s", p.path(), n, l.name)
			}
		}
	}
}

// silent are the folders that never log: what they have to say is an error. The
// daemon logs it, and the host process of the module is not ours to write to.
// Package secret alone knows the logger, to refuse to be logged.
var silent = []string{"vtoken/...", "p11module/...", "provisioning", "keystore/envelope", "keystore/kv/..."}

func TestNobodyLogsBelowTheDaemon(t *testing.T) {
	for _, p := range packages(t) {
		for _, i := range p.Imports {
			if i == "log" && !within(p.path(), []string{"tools/..."}, "") {
				t.Errorf("%s imports the default logger; take a *slog.Logger, or return an error", p.path())
			}
			if i == "log/slog" && within(p.path(), silent, "") && p.path() != "vtoken/secret" {
				t.Errorf("%s logs; return an error", p.path())
			}
		}
	}
}

// TestCoreKnowsNoJSON: the forms of requests and answers are the dialects'.
func TestCoreKnowsNoJSON(t *testing.T) {
	for _, p := range packages(t) {
		if p.path() == "provisioning" && slices.Contains(p.Imports, "encoding/json") {
			t.Errorf("provisioning imports encoding/json, but dialects alone know the forms of requests")
		}
	}
}

// TestOneDoorToTheEnvelope: what is sealed is sealed in one place.
func TestOneDoorToTheEnvelope(t *testing.T) {
	for _, p := range packages(t) {
		if p.path() != "keystore" && slices.Contains(p.Imports, module+"keystore/envelope") {
			t.Errorf("%s imports keystore/envelope; only keystore does", p.path())
		}
	}
}

// TestLibcryptoIsTheDaemons: the library in applications must not link libcrypto,
// and everything else takes a provider.
func TestLibcryptoIsTheDaemons(t *testing.T) {
	for _, p := range packages(t) {
		if p.path() != "daemon" && slices.Contains(p.Imports, module+"vtoken/mech/libcrypto") {
			t.Errorf("%s imports vtoken/mech/libcrypto; take a mech.Provider", p.path())
		}
	}
}

func TestNobodyImportsProgramsOrTests(t *testing.T) {
	for _, p := range packages(t) {
		for _, i := range p.Imports {
			ours := strings.TrimPrefix(i, module)
			if strings.HasPrefix(ours, "tests/") && !strings.HasPrefix(p.path(), "tests/") {
				t.Errorf("%s imports %s, but nobody imports tests", p.path(), ours)
			}
			documents := p.path() == "tools/gen/p11doc" // of the table of what is served
			if strings.HasPrefix(ours, "daemon/") && !strings.HasPrefix(p.path(), "daemon") && !documents {
				t.Errorf("%s imports %s, but nobody imports the daemon", p.path(), ours)
			}
		}
	}
}

// cgoAllowed are the packages that may use cgo.
var cgoAllowed = [...]string{"p11module", "tools/p11bench", "vtoken/mech/libcrypto"}

func TestCgoWhereAllowed(t *testing.T) {
	for _, p := range packages(t) {
		if len(p.CgoFiles) > 0 && !slices.Contains(cgoAllowed[:], p.path()) {
			t.Errorf("%s uses cgo; only %v may", p.path(), cgoAllowed)
		}
	}
}
