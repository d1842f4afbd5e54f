package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// begunFile contains a note for each act that was begun and has no line yet. A program that is
// killed after the act and before its line leaves the note, and the next run writes a line of
// the event "interrupted". Notes are not synced: they survive a killed program, but a power
// cut can lose those of the last seconds, as it can lose lines.
const begunFile = "begun"

// slotSize is the space of one note, enough for the longest that [Log.note] makes.
const slotSize = 2 << 10

// mostCut is how many interrupted acts get a line each. The others are counted.
const mostCut = 64

// maxBegun bounds how much of the file is read.
const maxBegun = 64 << 20

// begun is the open file of notes. The log's lock guards free and used.
type begun struct {
	file *os.File
	free []int
	used int
}

// open reads the notes that a killed program left, and opens the file.
func (b *begun) open(dir string) (cut []Record, err error) {
	b.file, err = os.OpenFile(filepath.Join(dir, begunFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	left, err := io.ReadAll(io.LimitReader(b.file, maxBegun))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read what was begun: %w", err), b.file.Close())
	}
	for len(left) > 0 {
		slot := left[:min(slotSize, len(left))]
		left = left[len(slot):]
		text, _, ended := bytes.Cut(slot, []byte("\n"))
		if text = bytes.Trim(text, "\x00"); len(text) == 0 {
			continue
		}
		var r Record
		if !ended || json.Unmarshal(text, &r) != nil {
			r = Record{} // half a note; that there was one is told
		}
		cut = append(cut, r)
	}
	return cut, nil
}

// take returns a free slot. The lock is held.
func (b *begun) take() int {
	if n := len(b.free); n > 0 {
		slot := b.free[n-1]
		b.free = b.free[:n-1]
		return slot
	}
	b.used++
	return b.used - 1
}

func (b *begun) put(slot int, note []byte) error {
	if _, err := b.file.WriteAt(note, int64(slot)*slotSize); err != nil {
		return fmt.Errorf("note what is begun: %w", classify(err))
	}
	return nil
}

func (b *begun) erase(slot int) error {
	_, err := b.file.WriteAt([]byte("\n"), int64(slot)*slotSize)
	return err
}

// note returns the note of an act: only its time if lines are encrypted.
func (l *Log) note(about Record) []byte {
	r := Record{Since: l.opt.Now().UTC()}
	if len(l.opt.Recipients) == 0 {
		r.Event, r.Detail, r.Process, r.Request = about.Event, about.Detail, about.Process, about.Request
	}
	text, err := json.Marshal(r.clipped(MaxText / 2)) // five texts, of which JSON makes six times as much
	if err != nil {
		text = []byte("{}")
	}
	return append(text, '\n')
}

// recordInterrupted writes a line for each act that was interrupted when the last run was
// killed, and deletes the notes. Nobody else uses the log yet.
func (l *Log) recordInterrupted(cut []Record) error {
	for i, r := range cut {
		line := Record{
			Event: EventInterrupted, Result: "unknown", Detail: r.Event, Process: r.Process, Request: r.Request, Since: r.Since,
		}
		if r.Detail != "" {
			line.Detail += " " + r.Detail
		}
		if i == mostCut {
			line = Record{Event: EventInterrupted, Result: "unknown", Detail: fmt.Sprintf("%d more", len(cut)-i)}
		}
		if err := l.writeOwn(line, false); err != nil {
			return fmt.Errorf("record what the last run did not finish: %w", err)
		}
		if i == mostCut {
			break
		}
	}
	return l.begun.file.Truncate(0)
}
