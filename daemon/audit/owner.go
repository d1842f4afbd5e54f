package audit

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Owner is whose log is in a folder.
type Owner int

// The owners of a log.
const (
	Nobody  Owner = iota // there is no line
	Ours                 // there are lines that are signed with the key
	Another              // there are lines, and none of them is
)

// errFound ends the search for a line.
var errFound = errors.New("found")

// OwnerOf reports who signed the lines in a folder, without changing it. With a nil key no
// line is ours. Of a log of ours it reads little more than the first line of the newest file.
func OwnerOf(dir string, key ed25519.PublicKey) (Owner, error) {
	names, err := files(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return Nobody, nil
	}
	if err != nil {
		return Nobody, fmt.Errorf("look into the audit log: %w", err)
	}
	owner := Nobody
	for _, name := range slices.Backward(names) {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			return Nobody, fmt.Errorf("look into the audit log: %w", err)
		}
		_, err = scan(f, func(line []byte) error {
			owner = Another
			if len(key) != ed25519.PublicKeySize {
				return errFound
			}
			if _, err := parseLine(line, key); err == nil {
				owner = Ours
				return errFound
			}
			return nil
		})
		if closed := f.Close(); closed != nil {
			return Nobody, fmt.Errorf("look into the audit log: %w", closed)
		}
		if errors.Is(err, errFound) {
			return owner, nil
		}
	}
	return owner, nil
}
