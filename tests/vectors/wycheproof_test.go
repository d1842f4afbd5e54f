package vectors

import (
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

// group is vectors that have something in common: a key, or the length of a tag.
type group struct {
	Type, SHA, MGFSHA, Curve string
	SLen, TagSize            int
	PublicKey, PrivateKey    key
	Tests                    []vector
}

// key has the numbers of an RSA key, the point of an EC key, or the bytes of
// another.
type key struct {
	Modulus, PublicExponent, PrivateExponent octets
	Prime1, Prime2                           octets
	Exponent1, Exponent2, Coefficient        octets
	Curve                                    string
	Uncompressed                             octets
	PK                                       octets
}

type vector struct {
	ID                              int
	Result                          string
	Msg, Sig, CT, Key, IV, AAD, Tag octets
	Label, Public, Private, Shared  octets
	IKM, Salt, Info, OKM, Ctx       octets
	Size                            int
}

// octets are hexadecimal digits in the files.
type octets []byte

func (o *octets) UnmarshalText(text []byte) (err error) {
	*o, err = hex.DecodeString(string(text))
	return err
}

func load(t *testing.T, file string) (groups []group) {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	var all struct{ Groups []group }
	require.NoError(t, json.NewDecoder(z).Decode(&all))
	require.NotEmpty(t, all.Groups, "%s has no vectors", file)
	return all.Groups
}

// players are what plays a group of a type. They return what is to be told of a
// vector that went wrong.
var players = map[string]func(*token, group, vector) error{
	"RsassaPkcs1Verify":   (*token).verifies,
	"RsassaPssVerify":     (*token).verifies,
	"RsassaPkcs1Generate": (*token).signs,
	"RsaesOaepDecrypt":    (*token).decryptsOAEP,
	"RsaesPkcs1Decrypt":   (*token).decryptsPKCS1,
	"EcdsaP1363Verify":    (*token).verifies,
	"EddsaVerify":         (*token).verifies,
	"MlDsaVerify":         (*token).verifies,
	"XdhComp":             (*token).agrees,
	"EcdhEcpointTest":     (*token).agrees,
	"EcdhWebcryptoTest":   (*token).agrees,
	"HkdfTest":            (*token).expands,
	"MacTest":             (*token).authenticates,
	"MacWithIvTest":       (*token).authenticatesGMAC,
	"AeadTest":            (*token).seals,
	"IndCpaTest":          (*token).encrypts,
	"KeywrapTest":         (*token).wraps,
}

// TestWycheproof plays every file of testdata.
func TestWycheproof(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json.gz")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 60, "files of vectors")
	k := newToken(t, func(_ *testing.T, socket string) string { return socket })
	played := map[string]int{}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json.gz")
		t.Run(name, func(t *testing.T) {
			for _, g := range load(t, file) {
				for _, v := range g.Tests {
					if err := k.play(name, g, v); err != nil {
						t.Errorf("%s, vector %d (%s): %v", name, v.ID, v.Result, err)
					}
					played[g.Type]++
				}
			}
		})
	}
	for kind := range players {
		if played[kind] == 0 {
			t.Errorf("no vector of the type %s was played", kind)
		}
	}
	t.Logf("played: %v", played)
}

// play plays one vector, whose objects go with it.
func (k *token) play(name string, g group, v vector) error {
	player := players[g.Type]
	if player == nil {
		return fmt.Errorf("nothing plays the type %q", g.Type)
	}
	k.name = name
	return errors.Join(player(k, g, v), k.sweep())
}

// wrong compares how a call ended with what the vector says. What is refused has
// one of the codes that are right.
func (v vector) wrong(err error, right ...ck.Error) error {
	code := pkcs11.Error(0)
	if err != nil && !errors.As(err, &code) {
		return err
	}
	switch {
	case err == nil && v.Result == "invalid":
		return errors.New("it is taken")
	case err != nil && v.Result == "valid":
		return fmt.Errorf("it is refused: %w", err)
	case err != nil && !slices.Contains(right, ck.Error(code)):
		return fmt.Errorf("it is refused with %v; right is %v", err, right)
	}
	return nil
}
