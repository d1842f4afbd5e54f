package seedfile

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"vtoken/provisioning/work"
	"vtoken/vtoken/secret"
)

// table is a CSV with a header. It has the names of columns in lower case, and their
// positions.
type table struct {
	reader  *csv.Reader
	columns map[string]int
	line    int
	row     []string
}

// column returns the name of a column in the form for comparisons: in lower case, without
// blanks, hyphens and underscores.
func column(name string) string {
	return strings.NewReplacer(" ", "", "-", "", "_", "").Replace(strings.ToLower(strings.TrimSpace(name)))
}

// openTable reads the header. Unknown columns are an error, so that no misspelt one is
// ignored; so are missing ones that are needed.
func openTable(data []byte, charset string, known map[string]string, need ...string) (*table, error) {
	decoder := unicode.UTF8.NewDecoder()
	if charset != "" {
		e, err := htmlindex.Get(charset)
		if err != nil {
			return nil, fmt.Errorf("the character set %.40q is not known; use one such as utf-8 or iso-8859-1", charset)
		}
		decoder = e.NewDecoder()
	}
	in := transform.NewReader(bytes.NewReader(data), unicode.BOMOverride(decoder))
	t := &table{reader: csv.NewReader(in), columns: map[string]int{}}
	t.reader.TrimLeadingSpace, t.reader.ReuseRecord = true, true
	t.reader.Comment = '#'
	header, err := t.reader.Read()
	if err != nil {
		return nil, fmt.Errorf("the CSV has no header: %w", csvError(err))
	}
	for i, name := range header {
		name, ok := known[column(name)]
		if !ok {
			return nil, fmt.Errorf("the CSV has a column %.40q that is not known", header[i])
		}
		if _, twice := t.columns[name]; twice {
			return nil, fmt.Errorf("the CSV has the column %q twice", name)
		}
		t.columns[name] = i
	}
	for _, name := range need {
		if _, ok := t.columns[name]; !ok {
			return nil, fmt.Errorf("the CSV has no column %q", name)
		}
	}
	return t, nil
}

// next reads a row; io.EOF is the end. A row with a wrong number of values is errFields.
func (t *table) next() error {
	row, err := t.reader.Read()
	t.row = row
	switch {
	case errors.Is(err, csv.ErrFieldCount):
		t.line, _ = t.reader.FieldPos(0)
		return errFields
	case errors.Is(err, io.EOF):
		return io.EOF
	case err != nil:
		return csvError(err)
	}
	t.line, _ = t.reader.FieldPos(0)
	return nil
}

var errFields = errors.New("the row has more or fewer values than the header")

// csvError converts an error of the reader into one with the line and no value.
func csvError(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("it is empty")
	}
	var p *csv.ParseError
	if errors.As(err, &p) {
		return fmt.Errorf("the CSV is broken off in line %d: %w", p.Line, p.Err)
	}
	return err
}

// text returns the value of a column, or an empty string. It copies the value: the values
// of a row share memory, so a serial number that is kept would keep the seed beside it.
func (t *table) text(name string) string {
	i, ok := t.columns[name]
	if !ok || i >= len(t.row) {
		return ""
	}
	return strings.Clone(strings.TrimSpace(t.row[i]))
}

// secret returns the value of a column, nil where it is empty.
func (t *table) secret(name string) secret.Bytes {
	if text := t.text(name); text != "" {
		return secret.Bytes(text)
	}
	return nil
}

// tokenColumns are the columns of a CSV of tokens and other names of them.
var tokenColumns = map[string]string{
	"serial": "serial", "serialnumber": "serial", "serialno": "serial",
	"seed": "seedhex", "seedhex": "seedhex", "secret": "seedhex", "secretkeyhex": "seedhex", "seedbase32": "seedbase32", "seedbase64": "seedbase64",
	"manufacturer": "manufacturer", "manufacturercode": "manufacturer", "model": "model", "productcode": "model",
	"hash": "hash", "algorithm": "hash", "crypto": "hash", "digits": "digits", "period": "period", "timewindow": "period", "timeinterval": "period",
	"counter": "counter", "window": "window", "syncsize": "window", "description": "description", "label": "description",
	"expires": "expires", "loginname": "login", "login": "login", "user": "login", "domain": "domain", "pin": "pin",
}

// seedColumns are the columns that a seed may stand in, with their encodings.
var seedColumns = map[string]string{"seedhex": "HEX", "seedbase32": "BASE32", "seedbase64": "BASE64"}

func readTokens(b *work.Budget, data []byte, o Options) (*File, error) {
	f := &File{budget: b}
	in, err := openTable(data, o.Charset, tokenColumns, "serial")
	if err != nil {
		return f, err
	}
	return f, in.rows(f, func() error {
		t := Token{Line: in.line, Serial: in.text("serial")}
		err := in.token(&t)
		return f.add(t, err)
	})
}

// rows calls fn for each row, and records malformed ones.
func (t *table) rows(f *File, fn func() error) error {
	for {
		err := t.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, errFields):
			if err = f.room(); err == nil {
				f.Problems = append(f.Problems, problem(t.line, t.text("serial"), errFields))
			}
		case err == nil:
			err = fn()
		}
		if err != nil {
			return err
		}
	}
}

// token reads a row.
func (t *table) token(to *Token) (err error) {
	to.Manufacturer, to.Model, to.Description = t.text("manufacturer"), t.text("model"), t.text("description")
	to.Login, to.Domain = t.text("login"), t.text("domain")
	digits, err1 := number("number of digits", t.text("digits"), 100, 6)
	period, err2 := number("period", t.text("period"), 3600, 0)
	counter, err3 := number("counter", t.text("counter"), 1<<63-1, 0)
	window, err4 := number("window", t.text("window"), 1<<20, 0)
	hash, err5 := hashOf(t.text("hash"))
	at, err6 := pskcTime(t.text("expires"))
	if err := cmp.Or(err1, err2, err3, err4, err5, err6); err != nil {
		return err
	}
	to.Digits, to.Period, to.Counter, to.Window, to.Hash, to.ExpiresAt = int(digits), int(period), counter, int(window), hash, at.In(time.UTC)
	for name, encoding := range seedColumns {
		text := t.text(name)
		if text == "" {
			continue
		}
		if to.Seed != nil {
			return errors.New("there are two seeds")
		}
		if to.Seed, err = decode(encoding, []byte(text)); err != nil {
			return err
		}
	}
	if to.Seed == nil {
		return errors.New("there is no seed")
	}
	to.PIN = t.secret("pin")
	return nil
}

// batchColumns are the columns of a batch assignment.
var batchColumns = map[string]string{
	"domain": "domain", "loginname": "login", "manufacturercode": "manufacturer", "productcode": "model", "serial": "serial", "status": "status", "pin": "pin",
}

func readAssignments(b *work.Budget, data []byte, o Options) (*File, error) {
	f := &File{budget: b}
	in, err := openTable(data, o.Charset, batchColumns, "login", "serial")
	if err != nil {
		return f, err
	}
	return f, in.rows(f, func() error {
		if err := f.room(); err != nil {
			return err
		}
		a := Assignment{
			Line: in.line, Domain: in.text("domain"), Login: in.text("login"), Manufacturer: in.text("manufacturer"),
			Model: in.text("model"), Serial: in.text("serial"), Status: in.text("status"),
		}
		err := checkTexts(a.Domain, a.Login, a.Manufacturer, a.Model, a.Serial, a.Status)
		if err == nil && (a.Login == "" || a.Serial == "") {
			err = errors.New("there is no login name, or no serial number")
		}
		if err != nil {
			f.Problems = append(f.Problems, problem(a.Line, a.Serial, err))
			return nil
		}
		a.PIN = in.secret("pin")
		f.Assignments = append(f.Assignments, a)
		return nil
	})
}
