package harness

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// authHeader is the file in a script's folder that holds the Authorization
// header, since arguments are for everybody to read.
const authHeader = "auth.header"

func apikeyCommand(ts *testscript.TestScript, neg bool, args []string) {
	d, ok := ts.Value(backendKey{}).(*Daemon)
	if !ok || neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: apikey NAME [ROLE], where our daemon is behind the module")
	}
	create := []string{"apikey", "create", args[0]}
	if len(args) == 2 {
		create = append(create, "--role", args[1])
	}
	key, err := d.Vtoken(create...)
	ts.Check(err)
	ts.Check(os.WriteFile(filepath.Join(ts.Getenv("WORK"), authHeader), []byte("Authorization: "+key+"\n"), 0o600))
	tenant, err := d.Tenant()
	ts.Check(err)
	ts.Setenv("TENANT", tenant)
	ts.Setenv("V1", "/IDPrimeVirtual/Provisioning/V1.0/Tenants/"+tenant)
	ts.Setenv("V2", "/IDPrimeVirtual/Provisioning/V2.0/Tenants/"+tenant)
}

func apiCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: api STATUS METHOD PATH [ARGUMENT...]")
	}
	curl := []string{"--silent", "--show-error", "--cacert", ts.Getenv("CA"), "--output", "answer", "--write-out", "%{http_code}",
		"--request", args[1], ts.Getenv("API") + args[2]}
	if _, err := os.Stat(filepath.Join(ts.Getenv("WORK"), authHeader)); err == nil {
		curl = append(curl, "--header", "@"+authHeader)
	}
	ts.Check(os.RemoveAll(filepath.Join(ts.Getenv("WORK"), "answer")))
	err := ts.Exec("curl", append(curl, args[3:]...)...)
	status := strings.TrimSpace(ts.ReadFile("stdout"))
	if err != nil && status != args[0] { // a refused upload ends with an error, too
		ts.Fatalf("curl: %v", err)
	}
	if _, err := os.Stat(filepath.Join(ts.Getenv("WORK"), "answer")); err == nil {
		ts.Check(ts.Exec("cat", "answer"))
	}
	if status != args[0] {
		ts.Fatalf("%s %s answered %s, not %s", args[1], args[2], status, args[0])
	}
}

func keepCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: keep NAME")
	}
	ts.Setenv(args[0], strings.Trim(ts.ReadFile("stdout"), "\"\r\n "))
}

// Tenant is the id of the default tenant.
func (d *Daemon) Tenant() (string, error) {
	out, err := d.Vtoken("tenant", "list", "-o", "json")
	if err != nil {
		return "", err
	}
	var tenants []struct{ ID, Name string }
	if err := json.Unmarshal([]byte(out), &tenants); err != nil {
		return "", err
	}
	for _, t := range tenants {
		if t.Name == "default" {
			return t.ID, nil
		}
	}
	return "", os.ErrNotExist
}
