// Command client signs with the key "ec" of the token "Card" for each line that comes, from
// four goroutines, verifies the signatures, and answers "ok" or what went wrong. Each of its
// two sessions logs in once. The public key is in the file ec.der.
package main

import (
	"bufio"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/letsencrypt/pkcs11key/v4"
)

func main() {
	der, err := os.ReadFile("ec.der")
	if err != nil {
		log.Fatal(err)
	}
	public, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		log.Fatal(err)
	}
	keys, err := pkcs11key.NewPool(2, os.Getenv("MODULE"), "Card", os.Getenv("PIN"), public)
	if err != nil {
		log.Fatal(err)
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		results := make(chan error)
		for range 4 {
			go func() { results <- work(keys) }()
		}
		var all error
		for range 4 {
			all = errors.Join(all, <-results)
		}
		if all != nil {
			fmt.Printf("failed: %q\n", all)
			continue
		}
		fmt.Println("ok")
	}
}

func work(key crypto.Signer) error {
	digest := make([]byte, 32)
	if _, err := rand.Read(digest); err != nil {
		return err
	}
	signature, err := key.Sign(nil, digest, crypto.SHA256)
	if err != nil {
		return err
	}
	if !ecdsa.VerifyASN1(key.Public().(*ecdsa.PublicKey), digest, signature) {
		return errors.New("a wrong signature")
	}
	return nil
}
