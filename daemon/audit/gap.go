package audit

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// maxMissing bounds the reported ranges. The rest is reported as one.
const maxMissing = 32

// findMissing finds missing lines without reading the whole log: lines before the first file,
// between two files, and after the last one up to the newest known line. [Verify] finds lines
// that are missing inside a file.
func findMissing(dir string, head Head, key ed25519.PublicKey) (missing []Range, err error) {
	names, err := files(dir)
	if err != nil {
		return nil, err
	}
	next := head.Archived + 1
	for _, name := range names {
		first := firstOf(name)
		last, err := lastOf(filepath.Join(dir, name), first, key)
		if err != nil {
			return nil, err
		}
		if last < first {
			continue // an empty file
		}
		if first > next {
			missing = append(missing, Range{next, first - 1})
		}
		next = max(next, last+1)
	}
	switch {
	case head.Seq >= next:
		missing = append(missing, Range{next, head.Seq})
	case head.Seq > head.Archived && !slices.ContainsFunc(missing, func(r Range) bool { return r.Last >= head.Seq && r.First <= head.Seq }):
		if list, _, err := Lines(dir, head.Seq-1, 1); err != nil || len(list) != 1 || sha256.Sum256(list[0]) != head.Hash {
			missing = append(missing, Range{head.Seq, head.Seq}) // it is another line now
		}
	}
	if n := len(missing); n > maxMissing {
		missing = append(missing[:maxMissing-1], Range{missing[maxMissing-1].First, missing[n-1].Last})
	}
	return missing, nil
}

// lastOf returns the number of the last line of a file, less than first if there is none. It
// reads the end of the file, and all of it only if the end is damaged.
func lastOf(path string, first uint64, key ed25519.PublicKey) (uint64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	last, err := lastIn(f, key)
	if err == nil && last == 0 {
		last = tail(f, first, key).Seq
	}
	return last, errors.Join(err, f.Close())
}

// lastIn returns the number of the last line of a file, 0 if the end is damaged.
func lastIn(f *os.File, key ed25519.PublicKey) (uint64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	b := make([]byte, min(info.Size(), 2*MaxLine))
	if _, err := f.ReadAt(b, info.Size()-int64(len(b))); err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	b = b[:bytes.LastIndexByte(b, '\n')+1] // what follows was not finished
	b = bytes.TrimSuffix(b, []byte("\n"))
	r, err := parseLine(b[bytes.LastIndexByte(b, '\n')+1:], key)
	if err != nil {
		return 0, nil
	}
	return r.Seq, nil
}

// Missing returns the lines that were missing when the log was opened: they were removed or
// changed, or the store was restored in another folder than its log.
func (l *Log) Missing() []Range { return l.missing }

// recordGaps writes a line for each new gap. Nobody else uses the log yet.
func (l *Log) recordGaps() error {
	for _, gap := range l.missing {
		if slices.Contains(l.opt.Head.Missing, gap) {
			continue
		}
		if err := l.writeOwn(Record{Event: EventGap, Result: "missing", Detail: gap.String()}, true); err != nil {
			return fmt.Errorf("record that %v are missing: %w", gap, err)
		}
	}
	l.head.Missing = l.missing
	return nil
}

// ErrNotArchived is returned by Archive for a number that cannot be archived.
var ErrNotArchived = errors.New("these lines are not archived")

// Archive records that the lines up to the number, the last one of a file, are kept elsewhere,
// so that [Verify] does not miss them. Number 0 stands for the last line before the current
// file. It writes a line, and stores the number durably before it returns the number. It
// deletes nothing.
func (l *Log) Archive(through uint64, by Record) (uint64, error) {
	names, err := files(l.opt.Dir)
	if err != nil {
		return 0, fmt.Errorf("archive: %w", err)
	}
	var ends []uint64
	for _, name := range names {
		ends = append(ends, firstOf(name)-1)
	}
	newest := ends[len(ends)-1] // an open log has a file
	if through == 0 {
		through = newest
	}
	e, err := l.Begin(by)
	if err != nil {
		return 0, err
	}
	by.Detail = fmt.Sprintf("lines up to %d are kept elsewhere", through)
	l.mu.Lock()
	archived := l.head.Archived
	l.mu.Unlock()
	switch {
	case newest == 0:
		err = fmt.Errorf("%w: there is only the current file", ErrNotArchived)
	case through <= archived:
		err = fmt.Errorf("%w: those up to line %d are already", ErrNotArchived, archived)
	case !slices.Contains(ends, through):
		err = fmt.Errorf("%w: line %d is not the last line of a file before the current one; the newest such line is %d", ErrNotArchived, through, newest)
	}
	if err != nil {
		by.Result = "refused"
		e.End(by)
		return 0, err
	}
	l.mu.Lock()
	l.head.Archived = max(through, l.head.Archived)
	l.head.Missing = slices.DeleteFunc(slices.Clone(l.head.Missing), func(r Range) bool { return r.Last <= through })
	l.mu.Unlock()
	e.End(by)
	return through, l.settle()
}
