package idprime

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
)

// Defaults and bounds of the parameters of statistics.
const (
	defaultDays, maxDays = 30, 3650
	defaultUsers         = 100
	day                  = 24 * time.Hour
)

// activeUsers is the answer of the statistic of active users. The names are ours
// (DIVERGENCES.md).
type activeUsers struct {
	TenantID    string    `json:"tenantId"`
	Since       time.Time `json:"since"`
	ActiveUsers int       `json:"activeUsers"`
}

// notLoggedInUsers are the users without a login since then.
type notLoggedInUsers struct {
	TenantID string    `json:"tenantId"`
	Since    time.Time `json:"since"`
	Users    []idler   `json:"users"`
	Next     string    `json:"next,omitempty"` // "after" of the next page
}

// idler is one of these users.
type idler struct {
	UserID         string     `json:"userId"`
	LastLoggedInOn *time.Time `json:"lastLoggedInOn"` // null is never
}

// countActiveUsers is the statistic of active users.
func (d *Dialect) countActiveUsers(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	tenant, err := tenantID(r)
	if err != nil {
		return err
	}
	days, err := queryNumber(r.URL.Query(), "days", defaultDays, maxDays)
	if err != nil {
		return err
	}
	n, since, err := d.core.ActiveUsers(r.Context(), c, tenant, time.Duration(days)*day)
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, activeUsers{string(tenant), since.UTC(), n})
}

// listNotLoggedInUsers is GetNotLoggedInUsers.
func (d *Dialect) listNotLoggedInUsers(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	tenant, err := tenantID(r)
	if err != nil {
		return err
	}
	query := r.URL.Query()
	days, err := queryNumber(query, "days", defaultDays, maxDays)
	if err != nil {
		return err
	}
	limit, err := queryNumber(query, "limit", defaultUsers, provisioning.MaxPage)
	if err != nil {
		return err
	}
	list, since, more, err := d.core.InactiveUsers(r.Context(), c, provisioning.InactiveQuery{
		Tenant: tenant, Within: time.Duration(days) * day, Limit: limit, After: query.Get("after"),
	})
	if err != nil {
		return err
	}
	answer := notLoggedInUsers{TenantID: string(tenant), Since: since.UTC(), Users: []idler{}}
	for _, u := range list {
		one := idler{UserID: u.Login}
		if at := u.LastUsedAt.UTC(); !u.LastUsedAt.IsZero() {
			one.LastLoggedInOn = &at
		}
		answer.Users = append(answer.Users, one)
	}
	if more {
		answer.Next = list[len(list)-1].Login
	}
	return httpkit.WriteJSON(w, http.StatusOK, answer)
}

// queryNumber parses a number in the query from 1 to most, or returns the default.
func queryNumber(query url.Values, name string, none, most int) (int, error) {
	values, given := query[name]
	if !given {
		return none, nil
	}
	n, err := strconv.Atoi(values[0])
	if err != nil || len(values) > 1 || n < 1 || n > most || strconv.Itoa(n) != values[0] {
		return 0, provisioning.Errorf(provisioning.BadInput, "%s must be one number from 1 to %d", name, most)
	}
	return n, nil
}
