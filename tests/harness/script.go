package harness

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/rogpeppe/go-internal/testscript"
)

// Backend is what answers behind a PKCS#11 module in a script: our daemon, or
// SoftHSM behind p11-kit server.
type Backend interface {
	// Environment is what programs need to find it.
	Environment() map[string]string
	// NewToken makes a complete token that the current user may use.
	NewToken(label, pin, soPIN string) error
}

// The PINs of every token that the scripts make. The SO PIN has the form that
// the IDPrime dialect asks for.
const (
	PIN   = "12345678"
	SOPIN = "000102030405060708090A0B0C0D0E0F1011121314151617"
)

// Script says how the scripts of a folder are run.
type Script struct {
	Dir    string // of the *.txtar files
	Bin    string // folder of our binaries, first in PATH
	Module string // path of the PKCS#11 module, $MODULE in the scripts
	// Open makes the backend of one script, in dir. What it returns last is
	// called at the end.
	Open func(dir string) (Backend, func() error, error)
}

// Params are the parameters for testscript.Run. Beside testscript's own, the
// scripts have these commands:
//
//	token LABEL             makes a complete token with $PIN and $SOPIN
//	pfx NAME KEY SUBJECT    makes NAME.pfx (password: secret), NAME.pem, NAME.pub;
//	                        KEY is rsa:2048 and the like, or a curve
//	daemon start|stop|kill  (with our daemon behind the module; it runs at first)
//	pin FILE TEXT           writes a PIN into a file, without a newline
//	apikey NAME [ROLE]      makes an API key in the default tenant and uses it from then
//	                        on; sets $TENANT, $V1 and $V2, the paths of the IDPrime API
//	api STATUS METHOD PATH [ARGUMENT...]
//	                        calls the API with curl, the arguments are curl's; the
//	                        body of the answer is in stdout
//	keep NAME               sets $NAME to what stdout holds, without quotes
//	page NAME [HEADING]     runs the commands of docs/consumers/NAME.md (api/NAME:
//	                        docs/api/NAME.md), or those below one heading (page.go); with $PAGE_USER, a number, as that
//	                        user, in $DIR/home
//	port NAME               sets $NAME to a free port of 127.0.0.1
//	ends PIDFILE            at the end of the script ends the server that writes its
//	                        process id into the file
//	handshakes CERTIFICATES COUNT [RELOADS COMMAND [ARGUMENT...]]
//	                        makes full TLS handshakes with localhost:$PORT, and runs
//	                        the command again and again meanwhile (handshakes.go)
//
// and these variables: MODULE, PIN, SOPIN, ROOT (of the repository), TEST_CACHE (a
// folder that outlives the script), those of the backend.
func (s Script) Params() testscript.Params {
	return testscript.Params{
		Dir:                 s.Dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               s.setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"token":  tokenCommand,
			"pfx":    pfxCommand,
			"daemon": daemonCommand,
			"pin":    pinCommand,
			"apikey": apikeyCommand,
			"api":    apiCommand,
			"keep":   keepCommand,
			"page":   pageCommand,
			"port":   portCommand,

			"ends":       endsCommand,
			"handshakes": handshakesCommand,
		},
	}
}

type backendKey struct{}

func (s Script) setup(env *testscript.Env) error {
	dir, err := TempDir()
	if err != nil {
		return err
	}
	env.Defer(func() { os.RemoveAll(dir) })
	b, end, err := s.Open(dir)
	if err != nil {
		return err
	}
	env.Defer(func() {
		if err := end(); err != nil {
			env.T().Log("ending the backend: ", err)
		}
	})
	env.Values[backendKey{}] = b
	setEnvironment(env.Setenv, b)
	env.Setenv("PATH", s.Bin+":"+env.Getenv("PATH"))
	env.Setenv("MODULE", s.Module)
	env.Setenv("PIN", PIN)
	env.Setenv("SOPIN", SOPIN)
	env.Setenv("DIR", dir)
	env.Setenv("ROOT", filepath.Dir(s.Bin))
	settings, err := Downloads()
	for name, value := range settings {
		env.Setenv(name, value)
	}
	return err
}

func setEnvironment(set func(name, value string), b Backend) {
	e := b.Environment()
	for _, name := range slices.Sorted(maps.Keys(e)) {
		set(name, e[name])
	}
}

func tokenCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: token LABEL")
	}
	b := ts.Value(backendKey{}).(Backend)
	ts.Check(b.NewToken(args[0], PIN, SOPIN))
}

func pfxCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: pfx NAME KEY SUBJECT")
	}
	p := PFX{Key: args[1], Subject: args[2], Name: args[0], Password: "secret"}
	ts.Check(p.Write(ts.Getenv("WORK"), args[0]))
}

func daemonCommand(ts *testscript.TestScript, neg bool, args []string) {
	d, ok := ts.Value(backendKey{}).(*Daemon)
	if !ok || neg || len(args) < 1 {
		ts.Fatalf("usage: daemon start|stop|kill, where our daemon is behind the module")
	}
	switch args[0] {
	case "start":
		ts.Check(d.Start(args[1:]...))
		setEnvironment(ts.Setenv, d)
	case "stop":
		ts.Check(d.Stop())
	case "kill":
		ts.Check(d.Kill())
	default:
		ts.Fatalf("daemon %s: unknown; it is start, stop or kill", args[0])
	}
}

func pinCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: pin FILE TEXT")
	}
	ts.Check(os.WriteFile(filepath.Join(ts.Getenv("WORK"), args[0]), []byte(args[1]), 0o600))
}

// OpenDaemon is a Script.Open that starts a daemon of the binaries in bin.
func OpenDaemon(bin string) func(string) (Backend, func() error, error) {
	return func(dir string) (Backend, func() error, error) {
		d := NewDaemon(bin, dir)
		if err := d.Start(); err != nil {
			return nil, nil, err
		}
		return d, d.Stop, nil
	}
}

// OpenSoftHSM is a Script.Open for SoftHSM behind p11-kit server.
func OpenSoftHSM(dir string) (Backend, func() error, error) {
	s, err := NewSoftHSM(dir)
	if err != nil {
		return nil, nil, err
	}
	if err := s.Serve(); err != nil {
		return nil, nil, fmt.Errorf("serving SoftHSM: %w", err)
	}
	return s, s.Stop, nil
}
