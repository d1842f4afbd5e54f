package seedfile

import (
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"time"

	"vtoken/provisioning/work"
)

// The elements of PSKC, by their local names: files of the drafts before the RFC
// have other namespaces.

type pskcPackage struct {
	Device pskcDevice `xml:"DeviceInfo"`
	Key    *pskcKey   `xml:"Key"`
}

type pskcDevice struct {
	Manufacturer, Model, SerialNo string
	ExpiryDate                    string
}

type pskcKey struct {
	ID           string `xml:"Id,attr"`
	Algorithm    string `xml:"Algorithm,attr"`
	FriendlyName string
	Parameters   struct {
		Suite  string
		Format struct {
			Encoding    string `xml:"Encoding,attr"`
			Length      string `xml:"Length,attr"`
			CheckDigits string `xml:"CheckDigits,attr"`
		} `xml:"ResponseFormat"`
	} `xml:"AlgorithmParameters"`
	Data struct {
		Secret, Counter, Time, TimeInterval, TimeDrift *pskcValue
	}
	Policy struct {
		ExpiryDate string
		KeyUsage   []string
	}
}

// pskcValue is a value, plain or encrypted.
type pskcValue struct {
	Plain     *chars         `xml:"PlainValue"`
	Encrypted *encryptedData `xml:"EncryptedValue"`
	MAC       *chars         `xml:"ValueMAC"`
}

// pskcReader reads one file.
type pskcReader struct {
	file File
	keys pskcKeys
	root bool
}

func readPSKC(b *work.Budget, data []byte, o Options) (*File, error) {
	doc := newDocument(data)
	r := &pskcReader{file: File{budget: b}, keys: pskcKeys{options: o, budget: b}}
	defer r.keys.wipe()
	err := doc.elements(func(start xml.StartElement) error {
		if !r.root {
			r.root = true
			return checkContainer(start)
		}
		switch start.Name.Local {
		case "EncryptionKey":
			return doc.DecodeElement(&r.keys.encryption, &start)
		case "MACMethod":
			return doc.DecodeElement(&r.keys.mac, &start)
		case "KeyPackage", "Device": // the drafts had Device
			return r.read(doc, start)
		}
		return doc.Skip() // signatures and extensions
	})
	if err == nil && !r.root {
		err = errors.New("the file is no PSKC: it is empty")
	}
	return &r.file, err
}

func checkContainer(start xml.StartElement) error {
	if start.Name.Local != "KeyContainer" {
		return fmt.Errorf("the file is no PSKC: it is a <%.40s>, and no <KeyContainer>", start.Name.Local)
	}
	for _, a := range start.Attr {
		if a.Name.Local == "Version" && a.Value != "1.0" && a.Value != "1" {
			return fmt.Errorf("the file is PSKC of version %.20q; 1.0 is read", a.Value)
		}
	}
	return nil
}

// read reads a package, which has at most one key.
func (r *pskcReader) read(doc *document, start xml.StartElement) error {
	line := doc.line()
	var p pskcPackage
	if err := doc.DecodeElement(&p, &start); err != nil {
		return err
	}
	defer p.wipe()
	if p.Key == nil {
		return r.file.add(Token{Line: line, Serial: p.Device.SerialNo}, errors.New("the package has no key in it"))
	}
	if strings.HasSuffix(p.Key.Algorithm, ":pin") {
		return nil
	}
	t := Token{
		Line: line, Serial: strings.TrimSpace(p.Device.SerialNo), Manufacturer: strings.TrimSpace(p.Device.Manufacturer),
		Model: strings.TrimSpace(p.Device.Model), Description: strings.TrimSpace(p.Key.FriendlyName),
	}
	if t.Serial == "" {
		t.Serial = strings.TrimSpace(p.Key.ID)
	}
	if err := r.keys.prepare(); err != nil {
		return err // of the whole file
	}
	err := r.fill(&t, &p)
	return r.file.add(t, err)
}

// algorithms are the profiles of HOTP and TOTP, by the end of their names: the
// drafts before the RFC had other beginnings. The value says which has a time.
var algorithms = map[string]bool{"hotp": false, "totp": true}

// fill reads what the key says.
func (r *pskcReader) fill(t *Token, p *pskcPackage) (err error) {
	k := p.Key
	name := strings.ToLower(k.Algorithm[strings.LastIndexAny(k.Algorithm, ":#/")+1:])
	timed, known := algorithms[name]
	form := k.Parameters.Format
	switch {
	case !known:
		return fmt.Errorf("the key is for %.60q; those for HOTP and TOTP are read", k.Algorithm)
	case form.Encoding != "" && !strings.EqualFold(form.Encoding, "DECIMAL"):
		return fmt.Errorf("its passwords are %.20q; those of decimal digits are read", form.Encoding)
	case form.CheckDigits == "true" || form.CheckDigits == "1":
		return errors.New("its passwords have check digits, which are not supported")
	}
	digits, err := number("length of passwords", form.Length, 100, 6)
	if err != nil {
		return err
	}
	t.Digits = int(digits)
	if t.Hash, err = hashOf(k.Parameters.Suite); err != nil {
		return err
	}
	if t.ExpiresAt, err = pskcTime(k.Policy.ExpiryDate, p.Device.ExpiryDate); err != nil {
		return err
	}
	if err := r.numbers(t, k, timed); err != nil {
		return err
	}
	if k.Data.Secret == nil {
		return errors.New("the key has no secret; one that is derived elsewhere cannot be read")
	}
	t.Seed, err = r.keys.secret(k.Data.Secret)
	return err
}

// numbers reads the counter of HOTP, or the time step and the drift of TOTP.
func (r *pskcReader) numbers(t *Token, k *pskcKey, timed bool) error {
	for _, n := range []struct {
		value *pskcValue
		timed bool
		put   func(int64)
	}{
		{k.Data.Counter, false, func(n int64) { t.Counter = uint64(n) }},
		{k.Data.TimeInterval, true, func(n int64) { t.Period = int(min(n, 1<<20)) }},
		{k.Data.TimeDrift, true, func(n int64) { t.Drift = int(min(n, 1<<20)) }},
	} {
		if n.value == nil || n.timed != timed {
			continue
		}
		v, err := r.keys.number(n.value)
		if err != nil {
			return err
		}
		n.put(v)
	}
	if timed && t.Period == 0 {
		t.Period = 30
	}
	return nil
}

// pskcTime returns the first time that is present, or the zero time. A time without a
// zone is UTC.
func pskcTime(list ...string) (time.Time, error) {
	for _, text := range list {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
			if at, err := time.Parse(layout, text); err == nil {
				return at.UTC(), nil
			}
		}
		return time.Time{}, errors.New("the date of expiry is not a time such as 2026-12-31T00:00:00Z")
	}
	return time.Time{}, nil
}

// wipe overwrites the plain secret in the XML.
func (p *pskcPackage) wipe() {
	if p.Key != nil && p.Key.Data.Secret != nil && p.Key.Data.Secret.Plain != nil {
		clear(p.Key.Data.Secret.Plain.Text)
	}
}
