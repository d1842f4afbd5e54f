package nativetest

import (
	"context"
	"slices"
	"sync"
	"time"

	"vtoken/provisioning"
	"vtoken/vtoken/record"
)

// Applications are applications without processes. A test adds some.
type Applications struct {
	mu   sync.Mutex
	list []provisioning.Application
}

// Began is when the applications of the tests began.
var Began = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// newApplications has one of root's without sessions.
func newApplications() *Applications {
	return &Applications{list: []provisioning.Application{{
		ID: "1m9vz2k4", OSUser: "root", PID: 77, BeganAt: Began, Connections: 1, Calls: 3, UsedAt: Began.Add(time.Hour),
	}}}
}

// Add adds an application.
func (a *Applications) Add(one provisioning.Application) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, one)
}

// List lists the applications.
func (a *Applications) List(context.Context) ([]provisioning.Application, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.list), nil
}

// End ends the use of the chosen tokens.
func (a *Applications) End(_ context.Context, id, _ string, chosen func(*record.Token) bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.IndexFunc(a.list, func(one provisioning.Application) bool { return one.ID == id })
	a.list[i].Tokens = slices.DeleteFunc(slices.Clone(a.list[i].Tokens), func(u provisioning.TokenUse) bool { return chosen(u.Token) })
	return nil
}
