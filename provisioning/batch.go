package provisioning

import (
	"context"
	"errors"
	"runtime"
	"sync"

	"vtoken/provisioning/seedfile"
	"vtoken/provisioning/text"
	"vtoken/vtoken/record"
)

// MaxBatch is how many rows a batch may have.
const MaxBatch = 20_000

// BatchOptions say how a batch of rows is processed.
type BatchOptions struct {
	// DryRun checks everything and changes nothing: the report says what would be
	// refused.
	DryRun bool
	// CreateUsers creates the users that rows name and that do not exist.
	CreateUsers bool
	// Share adds the user to the holders of a token that is held, instead of refusing the
	// row.
	Share bool
	// Activation is the activation of tokens that get a holder.
	Activation record.Activation
	// Refused are rows that the reader of the file refused.
	Refused []seedfile.Problem
	// Progress, where it is set, is called with the number of rows done and the number of
	// all rows. Some rows count more than once, because hashing their PINs is work of its
	// own.
	Progress func(done, total int)
}

// BatchReport is the result of a batch.
type BatchReport struct {
	// Done are the tokens that were made or assigned, in the order of the rows. In a dry
	// run they are those that would be; new ones have no ids.
	Done []BatchToken
	// Refused has the reason for each row that was refused, by line.
	Refused []seedfile.Problem
}

// BatchToken is one accepted row.
type BatchToken struct {
	Line   int
	ID     record.TokenID
	Serial string
}

// errDryRun ends the transaction of a dry run, and errRefused that of a batch
// with rows that are refused.
var (
	errDryRun  = errors.New("a dry run changes nothing")
	errRefused = errors.New("some rows are refused")
)

// batch processes rows.
type batch struct {
	s       *Service
	ctx     context.Context
	options BatchOptions
	report  BatchReport
	rows    int
	line    func(i int) (line int, serial string)
	done    int // for Progress
}

// refuse records why a row is refused. It returns errors that are not the fault of a row.
func (b *batch) refuse(i int, err error) error {
	var e *Error
	if !errors.As(err, &e) || e.Kind == Internal || e.Kind == StorageFull {
		return err
	}
	line, serial := b.line(i)
	b.report.Refused = append(b.report.Refused, seedfile.Problem{Line: line, Serial: text.Clip(serial), Reason: e.Detail})
	return nil
}

// naming looks up the operating system users of the logins in the rows, where the batch
// may create users.
func (b *batch) naming(c Caller, tenant record.TenantID, user func(i int) string) (naming, error) {
	if !b.options.CreateUsers {
		return nil, nil
	}
	var logins []string
	for i := range b.rows {
		if login := user(i); login != "" {
			logins = append(logins, login)
		}
	}
	return b.s.naming(b.ctx, c, tenant, logins...)
}

// each calls fn for each row that is not refused yet, and records refusals.
func (b *batch) each(fn func(i int) error) error {
	for i := range b.rows {
		if err := b.ctx.Err(); err != nil {
			return err
		}
		if err := fn(i); err != nil {
			if err := b.refuse(i, err); err != nil {
				return err
			}
		}
		b.step()
	}
	return nil
}

// step counts a row.
func (b *batch) step() {
	if b.done++; b.options.Progress != nil {
		b.options.Progress(b.done%(b.rows+1), b.rows)
	}
}

// run processes all rows in one transaction, or none. With dry it changes nothing.
func (b *batch) run(dry bool, take func(tx Tx, i int) (BatchToken, error)) error {
	refused := b.report.Refused
	err := b.s.update(b.ctx, func(tx Tx) error {
		b.done, b.report.Refused = 0, refused[:len(refused):len(refused)]
		b.report.Done = make([]BatchToken, 0, b.rows)
		err := b.each(func(i int) error {
			t, err := take(tx, i)
			if err == nil {
				b.report.Done = append(b.report.Done, t)
			}
			return err
		})
		switch {
		case err != nil:
			return err
		case len(b.report.Refused) > 0:
			return errRefused
		case dry:
			return errDryRun
		}
		return nil
	})
	if errors.Is(err, errRefused) || errors.Is(err, errDryRun) {
		return nil
	}
	return err
}

// outcome returns the report, and an error if a row was refused.
func (b *batch) outcome(err error) (BatchReport, error) {
	seedfile.SortProblems(b.report.Refused)
	n := len(b.report.Refused)
	if err == nil && n > 0 {
		b.report.Done = nil
		err = Errorf(BadInput, "%d of %d rows are refused, and nothing was changed; the first: %v",
			n, b.rows+len(b.options.Refused), b.report.Refused[0])
	}
	if err != nil {
		b.report.Done = nil
	}
	return b.report, err
}

// parallel calls fn for each row on all processors. Hashing PINs is slow on purpose, some
// 20 ms of a processor each.
func (b *batch) parallel(fn func(i int) error) error {
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		next int
		fail error
	)
	work := func() {
		for {
			mu.Lock()
			i := next
			next++
			stop := i >= b.rows || fail != nil
			mu.Unlock()
			if stop {
				return
			}
			err := b.ctx.Err()
			if err == nil {
				err = fn(i)
			}
			mu.Lock()
			if err != nil {
				fail = errors.Join(fail, b.refuse(i, err))
			}
			b.step()
			mu.Unlock()
		}
	}
	for range runtime.GOMAXPROCS(0) {
		wg.Go(work)
	}
	wg.Wait()
	return fail
}

// checkBatch refuses batches that are empty or too large.
func checkBatch(rows int) error {
	if rows > MaxBatch {
		return Errorf(TooLarge, "the batch has %d rows; it may have %d, so divide it", rows, MaxBatch)
	}
	return nil
}
