package seedfile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"vtoken/provisioning/work"
	"vtoken/vtoken/secret"
)

// The bounds of a file.
const (
	MaxSize = 32 << 20 // bytes
	MaxRows = 100_000
	maxText = 255 // bytes of a value that is a text
)

// Token is one token of a file. What the file does not say is the zero value.
type Token struct {
	Line         int // of the file, from 1
	Serial       string
	Manufacturer string
	Model        string
	Description  string
	Seed         secret.Bytes
	Hash         string // SHA1, SHA256 or SHA512
	Digits       int
	Period       int // seconds; 0 is HOTP
	Counter      uint64
	Drift        int // time steps that the token's clock is ahead
	Window       int
	ExpiresAt    time.Time
	// Login and Domain are the user who gets the token, and PIN is its first PIN.
	Login, Domain string
	PIN           secret.Bytes
}

// Assignment is one row of an assignment file: an existing token goes to a user.
type Assignment struct {
	Line          int
	Domain, Login string
	Manufacturer  string
	Model         string
	Serial        string
	Status        string
	PIN           secret.Bytes // nil where the row has none
}

// Problem says why a row is refused. Reason contains no secret of it.
type Problem struct {
	Line   int
	Serial string // empty where it could not be read
	Reason string
}

// String returns the problem in one line.
func (p Problem) String() string {
	if p.Serial == "" {
		return fmt.Sprintf("line %d: %s", p.Line, p.Reason)
	}
	return fmt.Sprintf("line %d (%s): %s", p.Line, p.Serial, p.Reason)
}

// SortProblems sorts problems by line.
func SortProblems(list []Problem) {
	slices.SortStableFunc(list, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
}

// File is the result of reading: Tokens or Assignments, and the rows that are refused.
type File struct {
	Tokens      []Token
	Assignments []Assignment
	Problems    []Problem

	budget *work.Budget // of the reading
}

// Wipe overwrites the secrets of a file.
func (f *File) Wipe() {
	for i := range f.Tokens {
		f.Tokens[i].Seed.Wipe()
		f.Tokens[i].PIN.Wipe()
	}
	for i := range f.Assignments {
		f.Assignments[i].PIN.Wipe()
	}
}

// Options are what reading a file may need.
type Options struct {
	// Password decrypts a file that is encrypted with a password, and Key one that is
	// encrypted with a shared key.
	Password, Key secret.Bytes
	// PrivateKey is the RSA key of the certificate that a file is encrypted for, in
	// PEM or DER.
	PrivateKey secret.Bytes
	// Charset is the character set of a CSV, by a name of the WHATWG Encoding
	// Standard; empty is UTF-8. XML names its own.
	Charset string
	// Work bounds the price of reading, in steps of package work; 0 is [MaxWork].
	Work int64
}

// Format is a kind of file.
type Format string

// The formats.
const (
	PSKC    Format = "pskc"   // RFC 6030
	SeedXML Format = "xml"    // seed XML: <data> with a <header> and tokens
	CSV     Format = "csv"    // a header and rows of tokens
	Batch   Format = "assign" // assignments of tokens as CSV
)

// readers are the formats that there are.
var readers = map[Format]func(b *work.Budget, data []byte, o Options) (*File, error){
	PSKC: readPSKC, SeedXML: readSeedXML, CSV: readTokens, Batch: readAssignments,
}

// Read reads a file, until the context ends. The caller wipes data, the options and the
// result. An error says what is wrong with the whole file, without any secret of it.
func Read(ctx context.Context, format Format, data []byte, o Options) (*File, error) {
	read := readers[format]
	if read == nil {
		return nil, fmt.Errorf("there is no format %.20q; the formats are pskc, xml, csv and assign", format)
	}
	if len(data) > MaxSize {
		return nil, fmt.Errorf("the file has %d bytes; it may have %d", len(data), MaxSize)
	}
	f, err := read(work.New(ctx, cmp.Or(o.Work, MaxWork)), data, o)
	if err != nil {
		f.Wipe()
		return nil, overWork(err)
	}
	f.budget = nil
	SortProblems(f.Problems)
	return f, nil
}

// MaxWork is the maximal price of reading a file, and rowPrice that of a row without its
// cryptography, in steps. It suffices for some 15,000 seeds that are encrypted for an RSA
// key of 2048 bits.
const (
	MaxWork  = 25_000_000
	rowPrice = 20
)

// rsaPrice returns the price of a decryption with a key of so many bits. It grows with
// the third power, and is some 0.8 ms for 2048 bits.
func rsaPrice(bits int) int64 { return int64(bits) * int64(bits) * int64(bits) / (1 << 30) * 200 }

// overWork says what to do about a file that costs too much.
func overWork(err error) error {
	var over *work.OverError
	if errors.As(err, &over) {
		return fmt.Errorf(
			"reading the file takes more work than one file may: divide it, or export it with fewer rounds of key derivation: %w",
			over)
	}
	return err
}

// room returns an error if a file has too many rows, or if the request has ended.
func (f *File) room() error {
	if len(f.Tokens)+len(f.Assignments)+len(f.Problems) >= MaxRows {
		return errRows
	}
	return f.budget.Take(rowPrice)
}

var errRows = fmt.Errorf("the file has more than %d rows; divide it", MaxRows)

// ends reports whether an error ends the whole reading.
func ends(err error) bool {
	var over *work.OverError
	return errors.Is(err, errRows) || errors.As(err, &over) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// add adds a token, or records why it is refused. It wipes the seed of a refused one.
func (f *File) add(t Token, err error) error {
	if !ends(err) {
		err = cmp.Or(f.room(), err)
	}
	if ends(err) {
		t.Seed.Wipe()
		t.PIN.Wipe()
		return err
	}
	if err == nil {
		err = checkTexts(t.Serial, t.Manufacturer, t.Model, t.Description, t.Login, t.Domain)
	}
	if err == nil && t.Serial == "" {
		err = fmt.Errorf("there is no serial number")
	}
	if err != nil {
		t.Seed.Wipe()
		t.PIN.Wipe()
		f.Problems = append(f.Problems, problem(t.Line, t.Serial, err))
		return nil
	}
	f.Tokens = append(f.Tokens, t)
	return nil
}

// problem returns a problem with as much of the serial number as may be shown.
func problem(line int, serial string, err error) Problem {
	if checkTexts(serial) != nil {
		serial = ""
	}
	return Problem{line, serial, err.Error()}
}

func checkTexts(list ...string) error {
	for _, s := range list {
		if len(s) > maxText || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
			return fmt.Errorf("a value is longer than %d bytes, or has a control character in it", maxText)
		}
	}
	return nil
}
