package main

import (
	"context"
	"log/slog"
	"net"
	"syscall"

	"vtoken/daemon/budget"
	"vtoken/daemon/config"
	"vtoken/daemon/metrics"
	"vtoken/daemon/p11server"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken/meter"
)

// limited is the accounts of what clients use: memory and connections.
type limited struct {
	files  int // that the process may open
	owners *budget.Owners
	memory *budget.Ledger
	// connections of applications, of the API over TLS, of administrators on their
	// socket, and of those who read metrics.
	connections, api, admin, scrape *budget.Ledger
}

// Open files that are not for clients of applications and the API: the store, the audit
// log, KEKs, libraries, what is refused with a reason; and the connections of
// administrators and of those who read metrics.
const (
	ownFiles    = 192
	adminConns  = 128
	scrapeConns = 16
)

// newLimited makes the accounts.
func newLimited(l config.Limits, files int, log *slog.Logger) limited {
	made := limited{
		files:       files,
		owners:      budget.NewOwners(budget.SubUIDs),
		memory:      budget.New("bytes of memory", budget.Limits{}),
		connections: budget.New("connections", budget.Limits{}),
		api:         budget.New("connections", budget.Limits{}),
		admin:       budget.New("connections", budget.Limits{Total: adminConns, Each: adminConns}),
		scrape:      budget.New("connections", budget.Limits{Total: scrapeConns, Each: scrapeConns}),
	}
	made.set(l, log)
	return made
}

// set changes the limits. If the process may not open enough files for all connections, it
// reduces them, those of the API first.
func (l limited) set(to config.Limits, log *slog.Logger) {
	room := max(l.files-ownFiles-adminConns-scrapeConns-p11server.MaxParked, 32)
	connections := min(to.MaxConnections, room*3/4)
	api := min(to.APIConnections, room-connections)
	if connections < to.MaxConnections || api < to.APIConnections {
		log.Warn("allowing fewer connections than --max-connections and --api-connections, "+
			"because the process may open too few files; raise LimitNOFILE",
			"files", l.files, "connections", connections, "api_connections", api)
	}
	const mib = 1 << 20
	l.memory.SetLimits(budget.Limits{Total: to.MaxMemory * mib, Each: to.MaxMemoryUser * mib})
	l.connections.SetLimits(budget.Limits{Total: connections, Each: to.MaxConnectionsUser})
	l.api.SetLimits(budget.Limits{Total: api, Each: to.APIConnectionsSource})
}

// openFiles is how many files the process may open. The Go runtime has raised the limit
// already.
func openFiles(log *slog.Logger) int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		log.Warn("cannot read the limit of open files, assuming 1024", "error", err)
		return 1024
	}
	return int(min(limit.Cur, 1<<20))
}

// account returns the memory account of an owner.
func (l limited) account(owner string) meter.Account { return l.memory.Account(owner) }

// admins counts the connections to the admin socket by user.
func (l limited) admins(on net.Listener) net.Listener {
	return budget.Listen(on, l.admin, func(c net.Conn) string {
		peer, _ := httpkit.PeerOf(httpkit.WithPeer(context.Background(), c))
		return l.owners.Of(peer.UID)
	})
}

// sources counts the connections to a listener by source address.
func (l limited) sources(on net.Listener, ledger *budget.Ledger) net.Listener {
	return budget.Listen(on, ledger, func(c net.Conn) string { return "address " + httpkit.Source(c.RemoteAddr().String()) })
}

// states returns the limits for the metrics.
func (l limited) states() []metrics.Limit {
	var list []metrics.Limit
	for _, one := range []struct {
		kind   string
		ledger *budget.Ledger
	}{
		{"memory", l.memory}, {"connections", l.connections}, {"api-connections", l.api},
		{"admin-connections", l.admin}, {"metrics-connections", l.scrape},
	} {
		s := one.ledger.State()
		list = append(list, metrics.Limit{Kind: one.kind, Used: s.Used, Limit: s.Limit, Refused: s.Refused})
	}
	return list
}
