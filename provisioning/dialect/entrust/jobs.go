package entrust

import (
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"

	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken/record"
)

// The states of a job.
const (
	jobCompleted = "COMPLETED"
	jobFailed    = "FAILED"
)

// jobs are the asynchronous searches. A search takes less than a millisecond, so it is
// done at once, and its result is kept for the client.
type jobs struct {
	mu   sync.Mutex
	jobs map[string]*job
}

type job struct {
	tenant   record.TenantID
	list     string
	status   asyncStatus
	result   tokensPage
	err      error
	finished time.Time
}

// keepJobs is how long a result is kept, and maxJobs how many results are kept.
const (
	keepJobs = 10 * time.Minute
	maxJobs  = 256
)

// put stores a job, and deletes old ones, or the oldest.
func (j *jobs) put(one *job, now time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.jobs == nil {
		j.jobs = map[string]*job{}
	}
	oldest := ""
	for id, other := range j.jobs {
		if now.Sub(other.finished) > keepJobs {
			delete(j.jobs, id)
		} else if oldest == "" || other.finished.Before(j.jobs[oldest].finished) {
			oldest = id
		}
	}
	if len(j.jobs) >= maxJobs {
		delete(j.jobs, oldest)
	}
	j.jobs[one.status.ID] = one
}

// get returns the caller's job with that id. Jobs of other tenants are not found.
func (j *jobs) get(c provisioning.Caller, list, id string, now time.Time) (*job, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	one := j.jobs[id]
	if one == nil || one.tenant != c.Tenant || one.list != list || now.Sub(one.finished) > keepJobs {
		return nil, provisioning.Errorf(provisioning.TokenNotFound,
			"there is no such search, or its result was kept for %v and deleted; start it again", keepJobs)
	}
	return one, nil
}

func (d *Dialect) startJob(l list) httpkit.Handler {
	return func(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
		var in searchParms
		if err := httpkit.ReadJSON(w, r, &in); err != nil {
			return err
		}
		start := d.kit.Clock()().UTC()
		page, err := d.page(r.Context(), c, l, in)
		if k := provisioning.KindOf(err); err != nil && k != provisioning.Internal {
			return err // what can never work is told at once
		}
		end := d.kit.Clock()().UTC()
		one := &job{tenant: c.Tenant, list: l.name, result: page, err: err, finished: end, status: asyncStatus{
			ID: uuid.NewString(), State: jobCompleted, Name: "tokenspaged/" + l.name, InitTime: start,
			ProcessingStartTime: &start, ProcessingEndTime: &end, ProcessingTime: end.Sub(start).Milliseconds(),
		}}
		if err != nil {
			one.status.State, one.status.ErrorMessage = jobFailed, provisioning.AsError(err).Detail
		}
		d.jobs.put(one, end)
		return httpkit.WriteJSON(w, http.StatusOK, one.status)
	}
}

func (d *Dialect) jobStatus(l list) httpkit.Handler {
	return func(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
		one, err := d.findJob(r, c, l)
		if err != nil {
			return err
		}
		return httpkit.WriteJSON(w, http.StatusOK, one.status)
	}
}

func (d *Dialect) jobResult(l list) httpkit.Handler {
	return func(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
		one, err := d.findJob(r, c, l)
		if err != nil {
			return err
		}
		if one.err != nil {
			return one.err
		}
		return httpkit.WriteJSON(w, http.StatusOK, one.result)
	}
}

// findJob returns the job in the path, for callers who may list tokens.
func (d *Dialect) findJob(r *http.Request, c provisioning.Caller, l list) (*job, error) {
	if err := d.core.Allowed(c, provisioning.OpTokenList, c.Tenant); err != nil {
		return nil, err
	}
	return d.jobs.get(c, l.name, r.PathValue("jobid"), d.kit.Clock()())
}
