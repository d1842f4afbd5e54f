package seedfile

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"vtoken/vtoken/secret"
)

// encodings are the ways in which seeds are written, by their names in upper
// case. A decoder gets text without blanks.
var encodings = map[string]func(dst, text []byte) (int, error){
	"HEX": hex.Decode,
	"BASE32": func(dst, text []byte) (int, error) {
		text = trimPadding(text)
		for i, c := range text {
			if 'a' <= c && c <= 'z' {
				text[i] = c - 'a' + 'A'
			}
		}
		return base32.StdEncoding.WithPadding(base32.NoPadding).Decode(dst, text)
	},
	"BASE64": func(dst, text []byte) (int, error) {
		return base64.RawStdEncoding.Decode(dst, trimPadding(text))
	},
}

func trimPadding(text []byte) []byte {
	for i := 0; i < 6 && len(text) > 0 && text[len(text)-1] == '='; i++ {
		text = text[:len(text)-1]
	}
	return text
}

// maxSecret is the length in bytes that an encoded secret may have.
const maxSecret = 4096

// decode decodes a secret and wipes text. Its error tells nothing about the secret.
func decode(encoding string, text []byte) (secret.Bytes, error) {
	defer clear(text)
	from := encodings[encoding]
	if from == nil {
		return nil, fmt.Errorf("there is no encoding %.20q of seeds; they are HEX, BASE32 and BASE64", encoding)
	}
	if len(text) > maxSecret {
		return nil, fmt.Errorf("the value has %d characters; it may have %d", len(text), maxSecret)
	}
	packed := make([]byte, 0, len(text))
	defer func() { clear(packed) }()
	for _, c := range text {
		if c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			packed = append(packed, c)
		}
	}
	if len(packed) == 0 {
		return nil, errors.New("there is no seed")
	}
	out := make(secret.Bytes, len(packed))
	n, err := from(out, packed)
	if err != nil {
		out.Wipe()
		return nil, fmt.Errorf("the seed is not %s", encoding)
	}
	return out[:n], nil
}

// number reads an integer from 0 to most; empty text is the default.
func number(what, text string, most uint64, otherwise uint64) (uint64, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n > most {
		return 0, fmt.Errorf("the %s is no whole number from 0 to %d", what, most)
	}
	return n, nil
}

// hashNames are the hashes as the formats write them, in upper case and without
// hyphens.
var hashNames = map[string]string{
	"": "SHA1", "SHA1": "SHA1", "HMACSHA1": "SHA1", "SHA256": "SHA256", "HMACSHA256": "SHA256", "SHA512": "SHA512", "HMACSHA512": "SHA512",
}

// hashOf returns the hash of that name.
func hashOf(text string) (string, error) {
	h, ok := hashNames[strings.ReplaceAll(strings.ToUpper(strings.TrimSpace(text)), "-", "")]
	if !ok {
		return "", fmt.Errorf("there are no one-time passwords with the hash %.30q; the hashes are SHA1, SHA256 and SHA512",
			text)
	}
	return h, nil
}
