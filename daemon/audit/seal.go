package audit

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"filippo.io/age"
)

// EventSealed is the event of a line whose record is encrypted.
const EventSealed = "sealed"

// sealedRoom bounds the base64 of an encrypted record, so that its line fits.
const sealedRoom = MaxLine - 512

// leastText is how short the texts of a record may be cut before encryption, so that it fits.
const leastText = 24

// seal encrypts a record to the recipients, and returns the record for its line. The encrypted
// one has no number yet: the signature of the line ties the two together.
func seal(r Record, to []age.Recipient) (Record, error) {
	r.Seq, r.Time, r.Prev = 0, time.Time{}, ""
	for most := MaxText; ; most /= 2 {
		if most < leastText {
			return Record{}, fmt.Errorf("encrypt a record: to %d recipients it takes more than %d bytes; name fewer", len(to), MaxLine)
		}
		sealed, err := encrypt(r.clipped(most), to)
		if err != nil {
			return Record{}, err
		}
		if base64.StdEncoding.EncodedLen(len(sealed)) <= sealedRoom {
			return Record{Event: EventSealed, Sealed: sealed}, nil
		}
	}
}

func encrypt(r Record, to []age.Recipient) ([]byte, error) {
	plain, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, to...)
	if err == nil {
		_, err = w.Write(plain)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("encrypt a record: %w", err)
	}
	return sealed.Bytes(), nil
}

// checkRecipients checks that every record will fit.
func checkRecipients(to []age.Recipient) error {
	if len(to) == 0 {
		return nil
	}
	long := strings.Repeat("\x01", MaxText) // the longest that JSON makes of a byte
	_, err := seal(Record{
		Event: long, Result: long, Caller: long, From: long, Request: long, Tenant: long, Token: long, Serial: long, Role: long, Detail: long,
		Slot: math.MaxUint64, Locked: true,
		Process: &Process{UID: math.MaxUint32, PID: math.MaxInt32, Executable: long}, Object: &Object{Class: long, Type: long, ID: long},
	}, to)
	return err
}
