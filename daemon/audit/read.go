package audit

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
)

var namePattern = regexp.MustCompile(`^audit-([0-9]{12})\.log$`)

// fileName returns the name of the file that begins with line seq.
func fileName(seq uint64) string { return fmt.Sprintf("audit-%012d.log", seq) }

// firstOf returns the number of the first line of a file.
func firstOf(name string) uint64 {
	n, _ := strconv.ParseUint(namePattern.FindStringSubmatch(name)[1], 10, 64) // twelve digits
	return n
}

// files returns the names of the log's files, in order.
func files(dir string) (names []string, err error) {
	all, err := os.ReadDir(dir) // sorted
	if err != nil {
		return nil, err
	}
	for _, f := range all {
		if namePattern.MatchString(f.Name()) {
			names = append(names, f.Name())
		}
	}
	return names, nil
}

// scan calls fn with every complete line of a file, without its newline, valid
// during the call. It returns the size of all complete lines.
func scan(r io.Reader, fn func(line []byte) error) (size int64, err error) {
	in := bufio.NewReaderSize(r, MaxLine)
	for {
		line, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return size, fmt.Errorf("a line has more than %d bytes", MaxLine)
		case errors.Is(err, io.EOF):
			return size, nil // what a writer has not finished yet, or a power cut
		case err != nil:
			return size, err
		}
		if err := fn(line[:len(line)-1]); err != nil {
			return size, err
		}
		size += int64(len(line))
	}
}

// end describes the end of a file.
type end struct {
	Head
	size  int64 // of all complete lines
	sound bool  // the last line is one of ours
}

// tail reads the end of a file that begins with line first. If its last line is damaged, it
// counts the lines.
func tail(f *os.File, first uint64, key ed25519.PublicKey) (e end) {
	var last []byte
	lines := uint64(0)
	size, err := scan(f, func(line []byte) error {
		last = append(last[:0], line...)
		lines++
		return nil
	})
	e.size, e.Seq, e.Hash = size, first+lines-1, sha256.Sum256(last)
	r, parsed := parseLine(last, key)
	if err == nil && parsed == nil {
		e.sound, e.Seq, e.Time = true, r.Seq, r.Time
	}
	return e
}

// Lines returns at most limit lines after number after, unchanged and unchecked, and the
// number of the last one.
func Lines(dir string, after uint64, limit int) (list []json.RawMessage, last uint64, err error) {
	names, err := files(dir)
	if err != nil {
		return nil, after, err
	}
	last = after
	for i, name := range names {
		if i+1 < len(names) && firstOf(names[i+1]) <= after+1 {
			continue // all of it is before
		}
		if err := linesOf(filepath.Join(dir, name), limit, &list, &last); err != nil || len(list) >= limit {
			return list, last, err
		}
	}
	return list, last, nil
}

var errEnough = errors.New("enough lines")

// linesOf appends the lines of a file after number last.
func linesOf(path string, limit int, list *[]json.RawMessage, last *uint64) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = scan(f, func(line []byte) error {
		var r struct{ Seq uint64 }
		if json.Unmarshal(line, &r) != nil || r.Seq <= *last {
			return nil // Verify finds out why
		}
		*list, *last = append(*list, bytes.Clone(line)), r.Seq
		if len(*list) >= limit {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}
