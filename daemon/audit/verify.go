package audit

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Report is the result of [Verify].
type Report struct {
	Files, Lines uint64
	// First and Last are the numbers of the first and the last line. Where First
	// is not 1, whole files before it are kept elsewhere (see Archived), or lost.
	First, Last uint64
	// Archived is the number up to which lines are kept elsewhere on purpose.
	Archived uint64
	// Problems are what is wrong, one sentence each, at most maxProblems.
	Problems []string
	// Notes are what is sound and to be known, as many at most: where the time runs
	// backwards.
	Notes []string
}

// String returns text such as "120 lines in 2 files, from number 1 to 120; 0 problems".
func (r Report) String() string {
	return fmt.Sprintf("%d lines in %d files, from number %d to %d; %d problems", r.Lines, r.Files, r.First, r.Last, len(r.Problems))
}

const maxProblems = 100

// Verify reads the whole log of a folder. It checks every line, that the first one is line 1
// or follows the archived ones, and that the newest known line, head, is there. Lines after
// head are checked like the others. It returns an error only for ctx and for a folder that
// cannot be read.
func Verify(ctx context.Context, dir string, key ed25519.PublicKey, head Head) (Report, error) {
	v := &verifier{ctx: ctx, key: key, head: head, report: Report{Archived: head.Archived}}
	names, err := files(dir)
	if err != nil {
		return v.report, err
	}
	for _, name := range names {
		if err := v.file(filepath.Join(dir, name), firstOf(name)); err != nil {
			return v.report, err
		}
	}
	if r := v.report; v.started && r.First > head.Archived+1 {
		v.problem("the log begins with line %d and not with line %d: what was before it was removed; if you keep it elsewhere, say so with `vtoken audit archive %d`", r.First, head.Archived+1, r.First-1)
	}
	if head.Seq > 0 && !v.headSeen {
		v.problem("line %d, which the store knows of, is not there: the end of the log was removed or changed", head.Seq)
	}
	return v.report, nil
}

// verifier checks line by line.
type verifier struct {
	ctx      context.Context
	key      ed25519.PublicKey
	head     Head
	headSeen bool
	report   Report
	prev     hash // of the line before
	started  bool // there was one
	time     time.Time
}

func (v *verifier) problem(format string, args ...any) {
	if len(v.report.Problems) < maxProblems {
		v.report.Problems = append(v.report.Problems, fmt.Sprintf(format, args...))
	}
}

func (v *verifier) file(path string, first uint64) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	v.report.Files++
	name := filepath.Base(path)
	n := 0
	size, err := scan(f, func(line []byte) error {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		if n++; n == 1 {
			v.firstLine(name, first, line)
		}
		v.line(name, n, line)
		return nil
	})
	if v.ctx.Err() != nil {
		return v.ctx.Err()
	}
	if err != nil {
		v.problem("%s cannot be read after byte %d: %v", name, size, err)
	}
	if n == 0 {
		v.problem("%s has no line", name)
	}
	return nil
}

// firstLine checks that a file begins with the line that its name says.
func (v *verifier) firstLine(name string, first uint64, line []byte) {
	r, err := parseLine(line, v.key)
	if err == nil && (r.Seq != first || r.Event != EventBegin) {
		v.problem("%s begins with line %d (%s); lines before it were removed", name, r.Seq, r.Event)
	}
}

func (v *verifier) line(name string, n int, line []byte) {
	v.report.Lines++
	r, err := parseLine(line, v.key)
	if err != nil {
		v.problem("%s, line %d of the file: %v; it was changed", name, n, err)
		v.prev = sha256.Sum256(line)
		return
	}
	switch {
	case !v.started:
		v.started, v.report.First = true, r.Seq
	case r.Seq > v.report.Last+1 && r.Seq-1 <= v.head.Archived: // what is between is kept elsewhere
	case r.Seq != v.report.Last+1:
		v.problem("%s, line %d of the file: line %d follows line %d; lines were removed, added or reordered", name, n, r.Seq, v.report.Last)
	case r.Prev != hex.EncodeToString(v.prev[:]):
		v.problem("%s, line %d of the file: line %d does not follow the line before it; that one was changed", name, n, r.Seq)
	}
	if back := v.time.Sub(r.Time); back > 0 && len(v.report.Notes) < maxProblems {
		v.report.Notes = append(v.report.Notes, fmt.Sprintf("line %d: the time is %v before that of the line before it; the clock was set back", r.Seq, back))
	}
	v.time = r.Time
	v.report.Last, v.prev = r.Seq, sha256.Sum256(line)
	if r.Seq == v.head.Seq {
		v.headSeen = v.prev == v.head.Hash
	}
}
