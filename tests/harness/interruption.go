package harness

import (
	"fmt"
	"syscall"
	"time"
)

// Interruption is a way in which applications lose the daemon for a while. When Do returns,
// the daemon is back and has said that it is ready.
type Interruption struct {
	Name        string
	Planned     bool // the daemon hands its state over, and not even a stock p11-kit client notices
	SameProcess bool // the daemon is the same process afterwards
	Lasting     bool // Do itself takes seconds
	Do          func(*Daemon) error
}

// AwayFor is how long there is no daemon in the interruption of that name.
const AwayFor = 5 * time.Second

// Interruptions are the ways. A freeze takes as long as said.
func Interruptions(freeze time.Duration) []Interruption {
	list := []Interruption{
		{Name: "killed", Do: func(d *Daemon) error { return d.again(d.Kill, 0) }},
		{Name: "stopped", Do: func(d *Daemon) error { return d.again(d.Stop, 0) }},
		{Name: "away", Lasting: true, Do: func(d *Daemon) error { return d.again(d.Kill, AwayFor) }},
		{Name: "frozen", SameProcess: true, Lasting: true, Do: func(d *Daemon) error { return d.Freeze(freeze) }},
	}
	if plannedRestarts {
		list = append(list, Interruption{Name: "planned", Planned: true, Do: (*Daemon).Restart})
	}
	return list
}

// plannedRestarts says that there is the command "vtoken restart".
const plannedRestarts = true

// Restart has the daemon replace itself by a new one, which keeps its process id.
func (d *Daemon) Restart() error {
	_, err := d.Vtoken("restart")
	return err
}

// again ends the daemon and starts it after a while, with the flags of its last start.
func (d *Daemon) again(end func() error, after time.Duration) error {
	if err := end(); err != nil {
		return err
	}
	<-time.After(after)
	return d.Start(d.flags...)
}

// Freeze stops the daemon's process for a while.
func (d *Daemon) Freeze(during time.Duration) error {
	if err := syscall.Kill(d.PID(), syscall.SIGSTOP); err != nil {
		return fmt.Errorf("stopping the daemon: %w", err)
	}
	<-time.After(during)
	if err := syscall.Kill(d.PID(), syscall.SIGCONT); err != nil {
		return fmt.Errorf("continuing the daemon: %w", err)
	}
	return nil
}
