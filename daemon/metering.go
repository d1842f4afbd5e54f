package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"vtoken/daemon/metrics"
	"vtoken/daemon/p11server"
	"vtoken/keystore"
	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
)

// measuredClient is an application that is counted, and whose signatures are. Calls that only
// ask for the length of one make none.
type measuredClient struct {
	p11server.Client
	signed func()
	gone   func()
}

// Close ends the application.
func (c *measuredClient) Close() {
	c.Client.Close()
	c.gone()
}

func (c *measuredClient) count(out ck.Output, err error, buf ck.Buffer) (ck.Output, error) {
	if err == nil && !buf.Null {
		c.signed()
	}
	return out, err
}

// Sign counts a signature.
func (c *measuredClient) Sign(h ck.SessionHandle, data []byte, buf ck.Buffer) (ck.Output, error) {
	out, err := c.Client.Sign(h, data, buf)
	return c.count(out, err, buf)
}

// SignFinal counts a signature.
func (c *measuredClient) SignFinal(h ck.SessionHandle, buf ck.Buffer) (ck.Output, error) {
	out, err := c.Client.SignFinal(h, buf)
	return c.count(out, err, buf)
}

// SignRecover counts a signature.
func (c *measuredClient) SignRecover(h ck.SessionHandle, data []byte, buf ck.Buffer) (ck.Output, error) {
	out, err := c.Client.SignRecover(h, data, buf)
	return c.count(out, err, buf)
}

// SignMessage counts a signature.
func (c *measuredClient) SignMessage(h ck.SessionHandle, parameter, data []byte, buf ck.Buffer) (ck.Output, error) {
	out, err := c.Client.SignMessage(h, parameter, data, buf)
	return c.count(out, err, buf)
}

// SignMessageNext counts the signature at the end of a message.
func (c *measuredClient) SignMessageNext(h ck.SessionHandle, parameter, data []byte, last bool, buf ck.Buffer) (ck.Output, error) {
	out, err := c.Client.SignMessageNext(h, parameter, data, last, buf)
	if !last {
		return out, err
	}
	return c.count(out, err, buf)
}

// locked counts a PIN that was locked.
func (d *daemon) locked(_ record.TokenID, role pin.Role) {
	name := roleNames[ck.CKU_USER]
	if role == pin.SO {
		name = roleNames[ck.CKU_SO]
	}
	d.metrics.Logins.Locked(name)
}

// guessed counts what became of the tries of a secret in the API, and notes it for the
// audit log.
func (d *daemon) guessed(ctx context.Context, t *record.Token, s provisioning.Secret, what provisioning.Guess) {
	httpkit.NoteSecret(ctx, s, what)
	d.metrics.Tries.Counted(s.String(), string(what))
	if what != provisioning.GuessLocked {
		return
	}
	for role, secret := range map[pin.Role]provisioning.Secret{pin.User: provisioning.UserPIN, pin.SO: provisioning.SOPIN} {
		if s == secret {
			d.locked(t.ID, role)
		}
	}
}

// state is what the metrics ask for.
func (d *daemon) state() metrics.State {
	return metrics.State{
		Usage: func() (applications, sessions int) {
			u := d.engine.Usage()
			return u.Applications, u.Sessions
		},
		Limits: d.limited.states,
		Counted: func() metrics.Counted {
			return metrics.Counted{Loads: d.engine.Usage().Loads, OverQuota: d.store.OverQuota()}
		},
		KEKs: d.kekStates,
		Rollback: func() (metrics.Rollback, error) {
			p, err := d.store.Protection()
			return metrics.Rollback{Protected: p.KEK != "", Counts: p.Counts, Accepted: p.Accepted}, err
		},
	}
}

func (d *daemon) kekStates() (list []metrics.KEK, err error) {
	recipients, err := d.store.Recipients()
	for _, r := range recipients {
		kind, _, _ := strings.Cut(r.URI, ":")
		list = append(list, metrics.KEK{ID: r.ID, Kind: kind, Recovery: r.Recovery, Opens: r.Opens, Tried: r.Tried})
	}
	return list, err
}

// listenMetrics serves the metrics on the address of --metrics-listen.
func (d *daemon) listenMetrics() error {
	if d.cfg.MetricsListen == "" {
		return nil
	}
	l, err := net.Listen("tcp", d.cfg.MetricsListen)
	if err != nil {
		return fmt.Errorf("listening for the metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", d.metrics.Handler())
	d.scrape = httpkit.NewServer(mux, d.log)
	d.log.Info("serving metrics", "url", "http://"+l.Addr().String()+"/metrics")
	d.serve(d.limited.sources(l, d.limited.scrape), d.scrape.Serve)
	return nil
}

// reportStart writes what a start came to where --metrics-file says.
func reportStart(path string, err error, log *slog.Logger) {
	if path == "" {
		return
	}
	if err := metrics.WriteStart(path, startResult(err), time.Now()); err != nil {
		log.Warn("nobody is told by --metrics-file how the start went", "error", err)
	}
}

func startResult(err error) string {
	switch {
	case err == nil:
		return metrics.StartOK
	case errors.Is(err, keystore.ErrNoKEK):
		return metrics.StartNoKEK
	case errors.Is(err, keystore.ErrRollback):
		return metrics.StartRollback
	}
	return metrics.StartFailed
}
