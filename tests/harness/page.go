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

// Page is the script of a page of the documents, or of the parts of it below some headings,
// in their order.
func Page(name string, headings ...string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	page, err := os.ReadFile(pageFile(root, name))
	if err != nil {
		return "", err
	}
	if len(headings) == 0 {
		headings = []string{""}
	}
	var all strings.Builder
	for _, h := range headings {
		script, err := PageScript(string(page), h)
		if err != nil {
			return "", fmt.Errorf("page %s: %w", name, err)
		}
		all.WriteString(script)
	}
	return all.String(), nil
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
	script, err := Page(args[0], args[1:]...)
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
	port, err := FreePort()
	ts.Check(err)
	ts.Setenv(args[0], strconv.Itoa(port))
}

// FreePort is a port of the loopback address that nobody listens at.
func FreePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// Downloads is the environment in which go and npm use the caches and settings of the user who
// runs the tests, where a script has another home or none.
func Downloads() (map[string]string, error) {
	out, err := exec.Command("go", "env", "-json", "GOCACHE", "GOMODCACHE", "GOPROXY", "GOSUMDB", "GOTOOLCHAIN").Output()
	if err != nil {
		return nil, fmt.Errorf("asking go for its caches: %w", err)
	}
	settings := map[string]string{}
	if err := json.Unmarshal(out, &settings); err != nil {
		return nil, fmt.Errorf("reading what go env says: %w", err)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, err
	}
	cache, err := Cache()
	if err != nil {
		return nil, err
	}
	settings["npm_config_cache"] = filepath.Join(home, ".npm")
	settings["TEST_CACHE"] = cache
	settings["npm_config_userconfig"] = filepath.Join(home, ".npmrc")
	return settings, nil
}

// Cache is a folder for what tests download, which outlives them.
func Cache() (string, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, ".cache", "vtoken-tests"), nil
}
