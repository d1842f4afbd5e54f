package seedfile

import (
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"

	"vtoken/provisioning/work"
	"vtoken/vtoken/secret"
)

// xmlHeader is the header of seed XML.
type xmlHeader struct {
	ManufacturerCode string `xml:"manufacturerCode"`
	ProductCode      string `xml:"productCode"`
	Encode           string `xml:"encode"`
	Encrypt          string `xml:"encrypt"`
	Digits           string `xml:"digits"`
	TimeWindow       string `xml:"timeWindow"`
	Synchronisation  string `xml:"synchronisation"`
	Crypto           string `xml:"crypto"`
	SyncSize         string `xml:"syncsize"`
	Salt             *chars `xml:"salt"`
	Iterations       string `xml:"iterations"`
}

// xmlToken is a token of seed XML.
type xmlToken struct {
	Serial      string `xml:"serial"`
	Seed        chars  `xml:"seed"`
	Description string `xml:"description"`
	Counter     string `xml:"counter"`
}

// xmlReader reads one file.
type xmlReader struct {
	file     File
	header   *xmlHeader
	pattern  Token  // what all tokens have in common
	encoding string // of the seeds
	aead     cipher.AEAD
	root     bool
}

func readSeedXML(b *work.Budget, data []byte, o Options) (*File, error) {
	doc := newDocument(data)
	r := &xmlReader{file: File{budget: b}}
	err := doc.elements(func(start xml.StartElement) error {
		switch name := start.Name.Local; {
		case !r.root && name != "data":
			return fmt.Errorf("the file is not seed XML: it is a <%.40s> and not <data>", name)
		case !r.root:
			r.root = true
			return nil
		case name == "header":
			r.header = &xmlHeader{}
			if err := doc.DecodeElement(r.header, &start); err != nil {
				return err
			}
			return r.prepare(o.Password)
		case name == "tokens":
			return nil
		case name == "token":
			return r.read(doc, start)
		}
		return doc.Skip()
	})
	if err == nil && r.header == nil {
		err = errors.New("the file is not seed XML: it has no <header>")
	}
	return &r.file, err
}

// prepare reads the header. An error there is one of the whole file.
func (r *xmlReader) prepare(password secret.Bytes) (err error) {
	h := r.header
	r.pattern = Token{Manufacturer: strings.TrimSpace(h.ManufacturerCode), Model: strings.TrimSpace(h.ProductCode)}
	if r.encoding = strings.ToUpper(strings.TrimSpace(h.Encode)); r.encoding == "" {
		r.encoding = "HEX"
	}
	if encodings[r.encoding] == nil {
		return fmt.Errorf("there is no encoding %.20q of seeds; they are HEX, BASE32 and BASE64", r.encoding)
	}
	digits, err1 := number("number of digits", h.Digits, 100, 6)
	window := h.TimeWindow
	if strings.TrimSpace(window) == "" {
		window = h.Synchronisation
	}
	period, err2 := number("time window", window, 3600, 0)
	size, err3 := number("synchronisation size", h.SyncSize, 1<<20, 0)
	hash, err4 := hashOf(h.Crypto)
	if err := cmp.Or(err1, err2, err3, err4); err != nil {
		return fmt.Errorf("the header is wrong: %w", err)
	}
	r.pattern.Digits, r.pattern.Period, r.pattern.Window, r.pattern.Hash = int(digits), int(period), int(size), hash
	switch e := strings.ToUpper(strings.TrimSpace(h.Encrypt)); e {
	case "", "NONE":
		return nil
	case "AES256":
		r.aead, err = h.key(r.file.budget, r.encoding, password)
		return err
	default:
		return fmt.Errorf("there is no encryption %.20q; it is NONE or AES256", e)
	}
}

// defaultIterations is what AES256 costs where the header does not say.
const defaultIterations = 100_000

// key returns the key of the seeds; see the package comment.
func (h *xmlHeader) key(b *work.Budget, encoding string, password secret.Bytes) (cipher.AEAD, error) {
	if len(password) == 0 {
		return nil, errors.New("the file is encrypted with a password; give it")
	}
	if h.Salt == nil {
		return nil, errors.New("the header has no <salt>, which an encrypted file needs")
	}
	salt, err := decode(encoding, h.Salt.Text)
	if err != nil || len(salt) < 8 || len(salt) > 64 {
		return nil, fmt.Errorf("the <salt> is not 8 to 64 bytes in %s", encoding)
	}
	rounds, err := number("number of iterations", h.Iterations, maxIterations, defaultIterations)
	if err != nil || rounds == 0 {
		return nil, fmt.Errorf("the <iterations> are not a number from 1 to %d", maxIterations)
	}
	key, err := b.PBKDF2(sha256.New, password, salt, int64(rounds), 32)
	if err != nil {
		return nil, err
	}
	defer key.Wipe()
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func (r *xmlReader) read(doc *document, start xml.StartElement) error {
	t := r.pattern
	t.Line = doc.line()
	var in xmlToken
	if err := doc.DecodeElement(&in, &start); err != nil {
		return err
	}
	defer clear(in.Seed.Text)
	if r.header == nil {
		return errors.New("the tokens stand before the <header>")
	}
	t.Serial, t.Description = strings.TrimSpace(in.Serial), strings.TrimSpace(in.Description)
	err := r.fill(&t, &in)
	return r.file.add(t, err)
}

func (r *xmlReader) fill(t *Token, in *xmlToken) (err error) {
	if t.Counter, err = number("counter", in.Counter, 1<<63-1, 0); err != nil {
		return err
	}
	if t.Seed, err = decode(r.encoding, in.Seed.Text); err != nil || r.aead == nil {
		return err
	}
	n := r.aead.NonceSize()
	if len(t.Seed) < n {
		return errWrongKey
	}
	plain, err := r.aead.Open(nil, t.Seed[:n], t.Seed[n:], []byte(t.Serial))
	if t.Seed = plain; err != nil {
		return errWrongKey
	}
	return nil
}
