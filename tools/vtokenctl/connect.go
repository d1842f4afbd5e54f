package main

import (
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"vtoken/provisioning/client"
	"vtoken/vtoken/secret"
)

// The sockets of a daemon that runs as root, and the names of those of a daemon
// that runs as a user, below $XDG_RUNTIME_DIR.
const (
	systemDir       = "/run/vtoken"
	userDir         = "vtoken"
	adminSocketName = "admin.sock"
	p11SocketName   = "p11.sock"
)

// connection is the address of the daemon from the command line.
type connection struct {
	adminSocket string
	api         string
	apiKeyFile  string
	caFile      string

	client *client.Client
}

func (n *connection) addFlags(f *pflag.FlagSet) {
	f.StringVar(&n.adminSocket, "admin-socket",
		"", "`PATH` of the daemon's admin socket (else VTOKEN_ADMIN_SOCKET, else the default)")
	f.StringVar(&n.api, "api", "", "`URL` of a daemon to use over HTTPS instead")
	f.StringVar(&n.apiKeyFile, "api-key-file", "", "`FILE` with the API key for --api (- is standard input)")
	f.StringVar(&n.caFile, "ca-file", "", "`FILE` with the certificates to trust for --api, such as the daemon's api.crt")
	f.SortFlags = false
}

// connect returns the client for the daemon that the command line names. It sends nothing
// yet.
func (a *app) connect(cmd *cobra.Command) (*client.Client, error) {
	if a.conn.client != nil {
		return a.conn.client, nil
	}
	c, err := a.open(cmd)
	a.conn.client = c
	return c, err
}

func (a *app) open(cmd *cobra.Command) (*client.Client, error) {
	n := &a.conn
	if n.api == "" {
		if n.apiKeyFile != "" || n.caFile != "" {
			return nil, usagef(cmd, "--api-key-file and --ca-file go with --api")
		}
		return client.Unix(a.adminSocket()), nil
	}
	if n.adminSocket != "" {
		return nil, usagef(cmd, "--api and --admin-socket exclude each other")
	}
	if n.apiKeyFile == "" {
		return nil, usagef(cmd,
			"--api needs --api-key-file; make a key on the daemon's machine with: vtoken apikey create NAME")
	}
	key, err := a.readSecret(cmd, "--api-key-file", n.apiKeyFile)
	if err != nil {
		return nil, err
	}
	var roots *x509.CertPool
	if n.caFile != "" {
		if roots, err = client.ReadRoots(n.caFile); err != nil {
			return nil, err
		}
	}
	c, err := client.HTTPS(n.api, secret.Bytes(key), roots)
	if err != nil {
		return nil, usagef(cmd, "%v", err)
	}
	return c, nil
}

func (a *app) close() {
	if a.conn.client != nil {
		a.conn.client.Close()
	}
}

// adminSocket returns the path of the socket: the one that is named, else that of the
// user's own daemon if there is one, else that of the system.
func (a *app) adminSocket() string {
	if a.conn.adminSocket != "" {
		return a.conn.adminSocket
	}
	if s := a.getenv("VTOKEN_ADMIN_SOCKET"); s != "" {
		return s
	}
	return a.defaultSocket(adminSocketName)
}

// defaultSocket returns where clients look for a socket that is not named.
func (a *app) defaultSocket(name string) string {
	system := filepath.Join(systemDir, name)
	dir := a.getenv("XDG_RUNTIME_DIR")
	if os.Geteuid() == 0 || dir == "" {
		return system
	}
	own := filepath.Join(dir, userDir, name)
	if _, err := os.Stat(own); err != nil {
		if _, err := os.Stat(system); err == nil {
			return system
		}
	}
	return own
}

// hint adds to an error of the connection what to do about it.
func (a *app) hint(err error) error {
	if err == nil || a.conn.client == nil {
		return err
	}
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.Is(err, client.ErrAccess):
		return &hintError{err, accessHint(a.adminSocket())}
	case errors.Is(err, client.ErrUnreachable) && a.conn.api != "":
		return &hintError{err, "check the URL, and that vtokend runs there with --api-listen"}
	case errors.Is(err, client.ErrUnreachable):
		return &hintError{err, "start vtokend, or name its socket with --admin-socket"}
	case errors.As(err, &unknown) && a.conn.caFile == "":
		return &hintError{err, "if it is the daemon's own certificate, give its api.crt with --ca-file"}
	}
	return err
}

// do returns the body of a command: it connects, runs, and adds hints to errors.
func (a *app) do(run func(cmd *cobra.Command, c *client.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := a.connect(cmd)
		if err != nil {
			return err
		}
		return a.hint(run(cmd, c, args))
	}
}

// usualP11Socket reports whether applications find the socket without configuration.
func (a *app) usualP11Socket(socket string) bool {
	return socket == "" || socket == a.defaultSocket(p11SocketName)
}
