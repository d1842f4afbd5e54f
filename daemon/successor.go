package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/gob"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"vtoken/daemon/config"
	"vtoken/daemon/handover"
	"vtoken/daemon/p11server"
	"vtoken/daemon/peer"
	"vtoken/daemon/resume"
	"vtoken/daemon/service"
	"vtoken/vtoken"
	"vtoken/vtoken/p11rpc"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// A planned restart: the daemon stops between two calls of each connection, and the program
// that is installed now takes its place in the same process. It gets the sockets, the
// connections and the live state of all applications, so no application notices.
//
// The successor is tried before anything is given up: a child of the new program reads the
// configuration and says which states it understands. What can fail after that, such as
// opening the store, ends the process, and applications go on by their tickets when it is
// started again.

// The names of what is handed over beside the sockets of the configuration.
const (
	stateName      = "state"
	stateKeyName   = "key"
	connectionName = "c" // there are thousands, and their names are in the environment
)

// checkVariable asks a program whether it could take the daemon's place.
const checkVariable = "VTOKEN_CHECK_SUCCESSOR"

const (
	// checkWithin bounds the check of the successor, finishWithin how long the calls under
	// way have.
	checkWithin  = 10 * time.Second
	finishWithin = 10 * time.Second
)

// stateFormat names the form of the state. A successor of another form is not tried.
func stateFormat() string { return "vtoken-state-1-" + vtoken.StateVersion() }

// handedOver is the state of the daemon.
type handedOver struct {
	Root         []byte
	Own          []string // names of the sockets that the daemon made
	Records      string   // folder of the records of logins; empty without
	Engine       []byte   // a vtoken.EngineState
	Applications []handedApplication
	Connections  []handedConnection

	// When the daemon began to stop, had stopped, and had collected this (see uptime).
	Began, Frozen, Saved time.Duration
}

// uptime is the time since the machine was switched on, by the clock that the daemon before read,
// too.
func uptime() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return 0
	}
	return time.Duration(now.Nano())
}

// arrival is when a successor began, had opened the store, and had made the parts of the daemon.
type arrival struct{ came, opened, made time.Duration }

// parts are the parts of the time in which applications wait, for the log.
func (h *handedOver) parts(a arrival) []any {
	now := uptime()
	return []any{
		"waited", now - h.Began, "freeze", h.Frozen - h.Began, "save", h.Saved - h.Frozen,
		"exec", a.came - h.Saved, "open", a.opened - a.came, "make", a.made - a.opened, "restore", now - a.made,
	}
}

// handedApplication is an application in the state.
type handedApplication struct {
	UID, GID uint32
	PID      int32
	Client   []byte // a vtoken.ClientState
	History  p11server.History

	Joined  bool
	ID      [p11rpc.ApplicationIDSize]byte
	Process peer.Process
	Ticket  [32]byte          // a hash
	Public  []byte            // key made of the ticket; there is a record if it is set
	Ended   map[uint64]uint64 // as resume.Application has it
	Waiting []handedLogin     // what it has not got back since a crash
}

// handedLogin is a vtoken.Login in the state.
type handedLogin struct {
	Token    record.TokenID
	Role     pin.Role
	Verifier [sha256.Size]byte
	Bound    []byte
}

// handedConnection is a connection in the state.
type handedConnection struct {
	Inode       uint64 // of its socket
	Greeted     bool
	Version     byte
	Application int
	Unread      []byte
}

// checkSuccessor runs the installed program as far as it can go beside this one.
func checkSuccessor(ctx context.Context, program string, args []string) error {
	ctx, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), checkVariable+"=1", "NOTIFY_SOCKET=")
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s cannot take the daemon's place: %w: %s", program, err, strings.TrimSpace(problem.String()))
	}
	if format := strings.TrimSpace(out.String()); format != stateFormat() {
		return fmt.Errorf("%s is of a version that does not understand the state of this one; "+
			"stop and start the daemon instead: programs with vtoken's own library log in again by themselves", program)
	}
	return nil
}

// askForRestart has the daemon restart, if there is a program that can take its place.
func (d *daemon) askForRestart(ctx context.Context) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program of the daemon: %w", err)
	}
	if err := checkSuccessor(ctx, program, os.Args[1:]); err != nil {
		return err
	}
	d.restarted.Store(nil)
	select {
	case d.restarts <- struct{}{}:
	default: // one is about to begin
	}
	return nil
}

// restartProblem is why the last planned restart did not happen; empty where it did.
func (d *daemon) restartProblem() string {
	if why := d.restarted.Load(); why != nil {
		return *why
	}
	return ""
}

// become hands everything to the program that is installed. It returns only if that failed,
// and then this daemon goes on.
func (d *daemon) become(ctx context.Context) error {
	d.reloading.Lock()
	stopped := d.stopped
	d.stopped = true
	d.reloading.Unlock()
	if stopped {
		return errStopping
	}
	err := d.handOver(ctx)
	d.reloading.Lock()
	d.stopped = false
	d.reloading.Unlock()
	return err
}

func (d *daemon) handOver(ctx context.Context) error {
	files, err := d.gather(ctx)
	if err != nil {
		return err
	}
	d.closeStore()
	program, _ := os.Executable()
	err = service.Become(program, os.Args, files)
	d.log.Error("the successor cannot be started; trying the program of this daemon again", "error", err)
	err = service.Become("/proc/self/exe", os.Args, files)
	// The store is closed, so this process cannot go on. Applications go on by their tickets.
	d.log.Error("cannot go on after a restart that failed", "error", err)
	os.Exit(exitFailed)
	return err
}

// leave gives everything to the service manager, for the daemon that it starts next. If it
// starts none, the manager closes the descriptors, and the state is gone.
func (d *daemon) leave(manager service.Manager) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	files, err := d.gather(ctx)
	if err != nil {
		return err
	}
	byName := make(map[string][]service.Descriptor)
	own := d.sockets.own()
	for _, f := range files {
		if theirs := f.Name == p11Name || f.Name == adminName || f.Name == apiName; theirs && !slices.Contains(own, f.Name) {
			continue // a socket unit has it
		}
		byName[f.Name] = append(byName[f.Name], f.File)
	}
	for name, list := range byName {
		store := manager.Store
		if name == stateName || name == stateKeyName {
			store = manager.StoreUnwatched
		}
		err = errors.Join(err, store(name, list...))
	}
	d.warn("giving the state to the service manager; applications go on by their tickets", errors.Join(err, manager.Wait(stopWithin)))
	d.closeStore()
	return nil
}

// forgetLeft has the service manager forget what a daemon before gave it.
func forgetLeft(manager service.Manager) error {
	var err error
	for _, name := range []string{stateName, stateKeyName, connectionName, p11Name, adminName, apiName} {
		err = errors.Join(err, manager.Remove(name))
	}
	return err
}

// gather stops the daemon between two calls of each connection, and returns the descriptors
// with which a successor goes on. The caller ends this process. If it fails, the daemon goes
// on.
func (d *daemon) gather(ctx context.Context) (_ []service.Named, err error) {
	d.background.end()
	defer func() {
		if err != nil {
			d.background.again()
		}
	}()
	began := uptime()
	ctx, cancel := context.WithTimeout(ctx, finishWithin)
	defer cancel()
	kept, err := d.sockets.keep()
	if err != nil {
		return nil, err
	}
	if err := d.pauseHTTP(ctx); err != nil {
		return nil, errors.Join(err, d.resumeHTTP(kept))
	}
	frozen, err := d.p11.Freeze(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the PKCS#11 server is busy, so the daemon goes on: %w", err), d.resumeHTTP(kept))
	}
	state, connections, err := d.liveState(frozen, began)
	if err != nil {
		d.p11.Thaw()
		return nil, errors.Join(err, d.resumeHTTP(kept))
	}
	file, key, err := handover.Keep(state)
	if err != nil {
		d.p11.Thaw()
		return nil, errors.Join(err, d.resumeHTTP(kept))
	}
	d.resumption.stop()
	d.log.Info("a successor takes this daemon's place", "applications", len(frozen.Applications),
		"connections", len(frozen.Connections), "took", uptime()-began)
	files := append(kept.named(), service.Named{Name: stateName, File: file}, service.Named{Name: stateKeyName, File: key})
	return append(files, connections...), nil
}

// liveState returns what the successor needs to know, and the sockets of the connections.
func (d *daemon) liveState(frozen p11server.Frozen, began time.Duration) (secret.Bytes, []service.Named, error) {
	stopped := uptime()
	root := d.store.RootKey()
	defer root.Wipe()
	engineState := d.engine.Save()
	defer engineState.Wipe()
	engine, err := engineState.MarshalBinary()
	if err != nil {
		return nil, nil, err
	}
	defer clear(engine)
	h := handedOver{Root: root, Own: d.sockets.own(), Records: d.resumption.folder(), Engine: engine, Began: began, Frozen: stopped}
	for _, one := range frozen.Applications {
		a, err := d.saveApplication(one)
		if err != nil {
			return nil, nil, err
		}
		h.Applications = append(h.Applications, a)
	}
	var files []service.Named
	for _, one := range frozen.Connections {
		inode, err := inodeOf(one.Socket)
		if err != nil {
			return nil, nil, err
		}
		files = append(files, service.Named{Name: connectionName, File: one.Socket})
		h.Connections = append(h.Connections, handedConnection{
			Inode: inode, Greeted: one.Greeted, Version: one.Version, Application: one.Application, Unread: one.Unread,
		})
	}
	h.Saved = uptime()
	var out bytes.Buffer
	if err := gob.NewEncoder(&out).Encode(h); err != nil {
		return nil, nil, fmt.Errorf("encode the state of the daemon: %w", err)
	}
	for _, a := range h.Applications {
		clear(a.Client)
		for _, l := range a.Waiting {
			clear(l.Bound)
		}
	}
	return out.Bytes(), files, nil
}

func (d *daemon) saveApplication(one p11server.FrozenApplication) (handedApplication, error) {
	client := clientOf(one.Client)
	state, err := client.Save()
	if err != nil {
		return handedApplication{}, err
	}
	defer state.Wipe()
	if d.cfg.Resume == config.ResumeOff {
		for i := range state.Attachments {
			state.Attachments[i].Login = nil
		}
	}
	if lost := state.Lost(); len(lost) > 0 {
		d.log.Warn("operations of an application end with the restart", "pid", client.Peer().PID, "operations", lost)
	}
	p := client.Peer()
	a := handedApplication{UID: p.UID, GID: p.GID, PID: p.PID, History: one.History}
	if a.Client, err = state.MarshalBinary(); err != nil {
		return a, err
	}
	if one.Name != nil {
		a.Joined, a.ID, a.Process, a.Ticket = true, one.Name.ID, one.Name.Process, one.Name.Ticket
	}
	if recorded, ok := one.Client.(*application); ok {
		a.Public, a.Ended = recorded.about.Public(), recorded.waiting.endedSessions()
		for _, l := range recorded.waiting.notAmong(nil) {
			a.Waiting = append(a.Waiting, handedLogin{Token: l.Token, Role: l.Role, Verifier: l.Verifier, Bound: l.Bound})
		}
	}
	return a, nil
}

// clientOf returns the engine's client of an application.
func clientOf(c p11server.Client) *vtoken.Client {
	if a, ok := c.(*application); ok {
		return a.Client
	}
	return c.(*vtoken.Client)
}

// inodeOf returns the number of a socket in the kernel, which no other socket has.
func inodeOf(of service.Descriptor) (uint64, error) {
	var stat unix.Stat_t
	raw, err := of.SyscallConn()
	if err == nil {
		ctl := raw.Control(func(fd uintptr) { err = unix.Fstat(int(fd), &stat) })
		err = errors.Join(err, ctl)
	}
	if err != nil {
		return 0, fmt.Errorf("look at the socket of a connection: %w", err)
	}
	return stat.Ino, nil
}

// takeOver returns the state that the daemon before has left, or nil where there was none.
func takeOver(passed service.Received) (*handedOver, map[uint64]*net.UnixConn, error) {
	files, keys, sockets := passed.Take(stateName), passed.Take(stateKeyName), passed.Take(connectionName)
	defer closeAll(files)
	defer closeAll(keys)
	defer closeAll(sockets)
	if len(files) == 0 {
		return nil, nil, nil
	}
	if len(files) != 1 || len(keys) != 1 {
		return nil, nil, fmt.Errorf("the state of the daemon before is in %d files with %d keys", len(files), len(keys))
	}
	state, err := handover.Take(files[0], keys[0])
	if err != nil {
		return nil, nil, err
	}
	defer state.Wipe()
	h := new(handedOver)
	if err := gob.NewDecoder(bytes.NewReader(state)).Decode(h); err != nil {
		return nil, nil, fmt.Errorf("read the state of the daemon before: %w", err)
	}
	connections := make(map[uint64]*net.UnixConn)
	for _, f := range sockets {
		inode, err := inodeOf(f)
		if err != nil {
			return nil, nil, err
		}
		c, err := net.FileConn(f)
		if err != nil {
			return nil, nil, fmt.Errorf("take a connection over: %w", err)
		}
		if sock, ok := c.(*net.UnixConn); ok {
			connections[inode] = sock
		}
	}
	return h, connections, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// restore gives the applications of the daemon before to the engine and the server. An
// application that cannot be restored ends, and the others go on.
func (d *daemon) restore(h *handedOver, sockets map[uint64]*net.UnixConn, a arrival) {
	var f p11server.Frozen
	place := make([]int, len(h.Applications))
	there := make(map[resume.ID]bool, len(h.Applications))
	restored := d.engine.Restoring()
	for i, a := range h.Applications {
		place[i] = -1
		one, err := d.restoreApplication(a)
		if err != nil {
			d.log.Error("an application did not survive the restart", "pid", a.PID, "error", err)
			continue
		}
		if a.Joined {
			one.Name = &p11server.Name{ID: a.ID, Process: a.Process, Ticket: a.Ticket}
			there[a.ID] = true
		}
		place[i] = len(f.Applications)
		f.Applications = append(f.Applications, one)
	}
	for _, c := range h.Connections {
		sock := sockets[c.Inode]
		delete(sockets, c.Inode)
		if sock == nil {
			continue
		}
		one := p11server.FrozenConnection{
			Socket: sock, Greeted: c.Greeted, Version: c.Version, Application: -1, Unread: c.Unread,
		}
		if c.Application >= 0 && c.Application < len(place) {
			if one.Application = place[c.Application]; one.Application < 0 {
				sock.Close() // so that the library joins again, by its ticket
				continue
			}
		}
		f.Connections = append(f.Connections, one)
	}
	for _, sock := range sockets {
		sock.Close()
	}
	restored()
	d.resumption.findAway(func(id resume.ID) bool { return there[id] })
	d.p11.Adopt(f)
	d.store.Begin()
	d.log.Info("took the place of a daemon",
		append([]any{"applications", len(f.Applications), "connections", len(f.Connections)}, h.parts(a)...)...)
}

// restoreEngine gives the engine what the one before knew besides its applications.
func (d *daemon) restoreEngine(h *handedOver) error {
	var state vtoken.EngineState
	if err := state.UnmarshalBinary(h.Engine); err != nil {
		return err
	}
	clear(h.Engine)
	defer state.Wipe()
	return d.engine.RestoreState(state)
}

func (d *daemon) restoreApplication(a handedApplication) (one p11server.FrozenApplication, err error) {
	one.History = a.History
	var state vtoken.ClientState
	if err := state.UnmarshalBinary(a.Client); err != nil {
		return one, err
	}
	clear(a.Client)
	defer state.Wipe()
	client, err := d.engine.Restore(record.Peer{UID: a.UID, GID: a.GID, PID: a.PID}, state)
	if err != nil {
		return one, err
	}
	if left := client.NotRestored(); len(left) > 0 {
		d.log.Info("a part of an application's state was left out", "pid", a.PID, "what", left)
	}
	one.Client = client
	if a.Joined {
		d.resumption.goOn(&one, client, a)
	}
	return one, nil
}
