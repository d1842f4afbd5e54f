package config

import (
	"errors"
	"fmt"
)

// Limits are what the daemon's clients may have of it at a time. The limit for one user
// is met only where others leave enough: nobody holds more than what is free for all
// others.
type Limits struct {
	// MaxMemory and MaxMemoryUser are MiB of memory that clients make the daemon hold: in
	// requests, answers, sessions, session objects, searches, running operations and
	// uploads. All together, and one OS user or credential of the API.
	MaxMemory     int `yaml:"max-memory"`
	MaxMemoryUser int `yaml:"max-memory-user"`
	// MaxConnections and MaxConnectionsUser are connections of applications.
	MaxConnections     int `yaml:"max-connections"`
	MaxConnectionsUser int `yaml:"max-connections-user"`
	// MaxSessions are the sessions of one application.
	MaxSessions int `yaml:"max-sessions"`
	// APIConnections and APIConnectionsSource are connections to the API over TLS, all
	// together and from one address.
	APIConnections       int `yaml:"api-connections"`
	APIConnectionsSource int `yaml:"api-connections-source"`
}

// defaultLimits are those of the sample.
func defaultLimits() Limits {
	return Limits{
		MaxMemory: 128, MaxMemoryUser: 64,
		MaxConnections: 4096, MaxConnectionsUser: 1024,
		MaxSessions:    4096,
		APIConnections: 512, APIConnectionsSource: 256,
	}
}

// validate checks that every limit is one.
func (l *Limits) validate() error {
	var errs []error
	for _, c := range []struct {
		flag        string
		n, from, to int
	}{
		{"max-memory", l.MaxMemory, 16, 1 << 20},
		{"max-memory-user", l.MaxMemoryUser, 1, 1 << 20},
		{"max-connections", l.MaxConnections, 8, 1 << 20},
		{"max-connections-user", l.MaxConnectionsUser, 1, 1 << 20},
		{"max-sessions", l.MaxSessions, 1, 1 << 20},
		{"api-connections", l.APIConnections, 8, 1 << 20},
		{"api-connections-source", l.APIConnectionsSource, 1, 1 << 20},
	} {
		if c.n < c.from || c.n > c.to {
			errs = append(errs, fmt.Errorf("--%s is a number from %d to %d, not %d", c.flag, c.from, c.to, c.n))
		}
	}
	return errors.Join(errs...)
}
