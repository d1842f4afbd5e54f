package main

import (
	"bytes"
	"fmt"
	"strings"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
	"vtoken/vtoken/policy"
)

const mechanismsHead = `
## Mechanisms

Key sizes are those of CK_MECHANISM_INFO: bits for RSA and EC keys, bytes for
others. "modern" is the algorithm policy of a token that was given no other; the
policy "legacy" has every use of every mechanism here.

| Mechanism | Key sizes | Uses | Uses under "modern" |
|---|---|---|---|
`

// uses are the flags of CK_MECHANISM_INFO that say what a mechanism is for.
var uses = [...]struct {
	flag ck.Flags
	word string
}{
	{ck.CKF_DIGEST, "digest"},
	{ck.CKF_GENERATE, "generate"},
	{ck.CKF_GENERATE_KEY_PAIR, "generate pair"},
	{ck.CKF_SIGN, "sign"},
	{ck.CKF_VERIFY, "verify"},
	{ck.CKF_SIGN_RECOVER, "sign with recovery"},
	{ck.CKF_VERIFY_RECOVER, "verify with recovery"},
	{ck.CKF_ENCRYPT, "encrypt"},
	{ck.CKF_DECRYPT, "decrypt"},
	{ck.CKF_WRAP, "wrap"},
	{ck.CKF_UNWRAP, "unwrap"},
	{ck.CKF_DERIVE, "derive"},
	{ck.CKF_ENCAPSULATE, "encapsulate"},
	{ck.CKF_DECAPSULATE, "decapsulate"},
	{ck.CKF_MESSAGE_ENCRYPT, "encrypt messages"},
	{ck.CKF_MESSAGE_DECRYPT, "decrypt messages"},
	{ck.CKF_MESSAGE_SIGN, "sign messages"},
	{ck.CKF_MESSAGE_VERIFY, "verify messages"},
}

func mechanisms(b *bytes.Buffer) {
	b.WriteString(mechanismsHead)
	for _, t := range mech.List() {
		d, _ := mech.Lookup(t)
		info := d.Info()
		all, modern := words(info.Flags), words(policy.Policy{}.Limit(t, info).Flags)
		switch modern {
		case all:
			modern = "all"
		case "":
			modern = "none"
		}
		fmt.Fprintf(b, "| %v | %s | %s | %s |\n", t, sizes(info), all, modern)
	}
}

func words(flags ck.Flags) string {
	var list []string
	for _, u := range uses {
		if flags.Has(u.flag) {
			list = append(list, u.word)
		}
	}
	return strings.Join(list, ", ")
}

func sizes(info ck.MechanismInfo) string {
	switch {
	case info.MaxKeySize == 0:
		return ""
	case info.MinKeySize == info.MaxKeySize:
		return fmt.Sprint(info.MaxKeySize)
	}
	return fmt.Sprintf("%d to %d", info.MinKeySize, info.MaxKeySize)
}
