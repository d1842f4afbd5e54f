package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	"github.com/spf13/cobra"
)

// sealedEvent is the event of a line whose record is encrypted.
const sealedEvent = "sealed"

// maxSealed bounds a decrypted record, in bytes. A line is shorter.
const maxSealed = 64 << 10

// auditor decrypts lines that are encrypted to an auditor's key. Without a key it does
// not change them.
type auditor struct {
	file       string
	identities []age.Identity
}

func (r *auditor) addFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&r.file, "identity",
		"", "`FILE` with an auditor's key (of age-keygen), to read lines that are encrypted to it (- is standard input)")
}

// load reads the key, if one is named.
func (r *auditor) load(a *app, cmd *cobra.Command) error {
	if r.file == "" {
		return nil
	}
	text, err := a.readSecret(cmd, "--identity", r.file)
	if err != nil {
		return err
	}
	defer text.Wipe()
	r.identities, err = age.ParseIdentities(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf(
			"read --identity: %s holds no key of age (AGE-SECRET-KEY-...); one with a passphrase is decrypted first, with age -d: %w",
			r.file, err)
	}
	return nil
}

// open decrypts a line, without its signature. It returns a line that is not encrypted
// unchanged, and reports whether it was encrypted.
func (r *auditor) open(line json.RawMessage) (opened json.RawMessage, sealed bool, err error) {
	var outer struct {
		Event  string
		Seq    json.RawMessage
		Time   json.RawMessage
		Prev   json.RawMessage
		Sealed []byte
	}
	if err := json.Unmarshal(line, &outer); err != nil {
		return nil, false, fmt.Errorf("read a line of the audit log: %w", err)
	}
	if outer.Event != sealedEvent {
		return line, false, nil
	}
	if len(r.identities) == 0 {
		return line, true, nil
	}
	text, err := r.decrypt(outer.Sealed)
	if err != nil {
		return nil, true, fmt.Errorf("decrypt line %s of the audit log: %w", outer.Seq, err)
	}
	return fmt.Appendf(nil, `{"seq":%s,"time":%s,%s,"prev":%s}`, outer.Seq, outer.Time, text[1:len(text)-1], outer.Prev), true, nil
}

// decrypt returns the JSON object in an encrypted line.
func (r *auditor) decrypt(sealed []byte) ([]byte, error) {
	plain, err := age.Decrypt(bytes.NewReader(sealed), r.identities...)
	var other *age.NoIdentityMatchError
	if errors.As(err, &other) {
		return nil, errors.New("it is encrypted to another key than that of --identity")
	}
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(plain, maxSealed))
	if err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil || len(members) == 0 {
		return nil, errors.New("what is in it is no record")
	}
	return bytes.TrimSpace(text), nil
}
