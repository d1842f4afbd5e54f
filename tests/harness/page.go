package harness

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// A page of docs/consumers or docs/api is the script that its test runs, so that what
// people paste is what was tested. Only its blocks marked "sh" are run, and
// those marked "sh server PORT", which a reader runs in a second terminal: they
// go into the background, and the page goes on when something listens at PORT.

// pageStart comes before the commands of a page. What still runs at the end is
// ended, by the id of its process group.
const pageStart = `set -meuo pipefail
trap 'for job in $(jobs -p); do kill -- -$job || :; done; wait' EXIT
`

// pageAlone gives a page with a server a network of its own, where nobody else
// listens or connects, whatever addresses the server takes.
const pageAlone = `[ -n "${ALONE:-}" ] || ALONE=yes exec unshare --net bash -c "$BASH_EXECUTION_STRING"
ip link set lo up
`

// pageServer comes after a server.
const pageServer = `until (: <>/dev/tcp/127.0.0.1/%s) 2>/dev/null; do kill -0 $!; sleep 0.02; done
`

// pageUser runs a page as an ordinary user, in that user's home.
const pageUser = `if [ "$(id -u)" != "$PAGE_USER" ]; then
	export HOME=$DIR/home
	install -d -o "$PAGE_USER" -g "$PAGE_USER" "$HOME"
	cd "$HOME"
	exec setpriv --reuid "$PAGE_USER" --regid "$PAGE_USER" --clear-groups bash -c "$BASH_EXECUTION_STRING"
fi
`

// PageScript is the bash script of the commands of a page, or of the part of it
// below one heading. It is an error if there are none.
func PageScript(page, heading string) (string, error) {
	var script strings.Builder
	start := pageStart
	within, inBlock, run, port := heading == "", false, false, ""
	for line := range strings.Lines(page) {
		mark, fence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case fence && !inBlock:
			port = ""
			if p, server := strings.CutPrefix(mark, "sh server "); server {
				port, mark = p, "sh"
			}
			run = within && mark == "sh"
			if run && port != "" {
				start = pageAlone + pageStart
				script.WriteString("{\n")
			}
		case fence && run && port != "":
			fmt.Fprintf(&script, "} &\n"+pageServer, port)
		case !fence && inBlock && run:
			script.WriteString(line)
		case !inBlock && heading != "" && strings.HasPrefix(line, "#"):
			within = strings.TrimSpace(strings.TrimLeft(line, "#")) == heading
		}
		inBlock = inBlock != fence
	}
	if script.Len() == 0 {
		return "", fmt.Errorf("looking for commands below the heading %q: the page has none; a block of commands begins with ```sh", heading)
	}
	return start + script.String(), nil
}

// pageFile is the file of a page: of docs/consumers, or of the folder of docs that
// its name begins with.
func pageFile(root, name string) string {
	if !strings.Contains(name, "/") {
		name = "consumers/" + name
	}
	return filepath.Join(root, "docs", filepath.FromSlash(name)+".md")
}

func pageCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: page NAME [HEADING]")
	}
	root, err := Root()
	ts.Check(err)
	page, err := os.ReadFile(pageFile(root, args[0]))
	ts.Check(err)
	heading := ""
	if len(args) == 2 {
		heading = args[1]
	}
	script, err := PageScript(string(page), heading)
	ts.Check(err)
	if ts.Getenv("PAGE_USER") != "" {
		script = pageUser + script
	}
	ts.Check(ts.Exec("bash", "-c", script))
}

// portCommand names a port of the loopback address that nobody listens at.
func portCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: port NAME")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(args[0], strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	ts.Check(l.Close())
}

// downloads lets go and npm in a page use the caches and settings of whoever runs
// the tests: a script has no home.
func downloads(env *testscript.Env) error {
	out, err := exec.Command("go", "env", "-json", "GOCACHE", "GOMODCACHE", "GOPROXY", "GOSUMDB", "GOTOOLCHAIN").Output()
	if err != nil {
		return fmt.Errorf("asking go for its caches: %w", err)
	}
	settings := map[string]string{}
	if err := json.Unmarshal(out, &settings); err != nil {
		return fmt.Errorf("reading what go env says: %w", err)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return err
	}
	cache, err := Cache()
	if err != nil {
		return err
	}
	settings["npm_config_cache"] = filepath.Join(home, ".npm")
	settings["TEST_CACHE"] = cache
	settings["npm_config_userconfig"] = filepath.Join(home, ".npmrc")
	for name, value := range settings {
		env.Setenv(name, value)
	}
	return nil
}

// Cache is a folder for what tests download, which outlives them.
func Cache() (string, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, ".cache", "vtoken-tests"), nil
}
