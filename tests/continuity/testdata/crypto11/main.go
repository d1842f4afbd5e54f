// Command client signs with the key "ec" of the token "Card" for each line that comes,
// verifies the signature, and answers "ok" or what went wrong. It logs in once.
package main

import (
	"bufio"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/ThalesGroup/crypto11"
)

func main() {
	token, err := crypto11.Configure(&crypto11.Config{
		Path: os.Getenv("MODULE"), TokenLabel: "Card", Pin: os.Getenv("PIN"),
	})
	if err != nil {
		log.Fatal(err)
	}
	key, err := token.FindKeyPair(nil, []byte("ec"))
	if err != nil {
		log.Fatal(err)
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if err := work(token, key); err != nil {
			fmt.Println("failed:", err)
			continue
		}
		fmt.Println("ok")
	}
}

func work(token *crypto11.Context, key crypto11.Signer) error {
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
	_, err = token.FindKeyPair(nil, []byte("ec"))
	return err
}
