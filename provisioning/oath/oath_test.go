package oath_test

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning/oath"
	"vtoken/vtoken/secret"
)

// seed is that of the RFCs, as long as asked for.
func seed(n int) secret.Bytes {
	return secret.Bytes(strings.Repeat("1234567890", 7)[:n])
}

// RFC 4226, appendix D.
func TestHOTPVectors(t *testing.T) {
	k := oath.Key{Seed: seed(20), Hash: oath.SHA1, Digits: 6}
	for i, want := range strings.Fields("755224 287082 359152 969429 338314 254676 287922 162583 399871 520489") {
		is(t, k, uint64(i), want)
	}
}

// RFC 6238, appendix B, with the seeds of the length of the hash (erratum 2866).
func TestTOTPVectors(t *testing.T) {
	for at, want := range map[int64]string{
		59:          "94287082 46119246 90693936",
		1111111109:  "07081804 68084774 25091201",
		1111111111:  "14050471 67062674 99943326",
		1234567890:  "89005924 91819424 93441116",
		2000000000:  "69279037 90698825 38618901",
		20000000000: "65353130 77737706 47863826",
	} {
		codes := strings.Fields(want)
		for i, h := range []string{oath.SHA1, oath.SHA256, oath.SHA512} {
			k := oath.Key{Seed: seed(oath.SeedSize(h)), Hash: h, Digits: 8}
			is(t, k, oath.Step(time.Unix(at, 0), 30), codes[i])
		}
	}
	if oath.Step(time.Unix(-5, 0), 30) != 0 {
		t.Error("there is a step before the first")
	}
}

func is(t *testing.T, k oath.Key, counter uint64, want string) {
	t.Helper()
	got, err := k.Code(counter)
	if err != nil || string(got) != want {
		t.Errorf("%s, %d digits, counter %d: %q, %v; want %s", k.Hash, k.Digits, counter, []byte(got), err, want)
	}
}

// oathtool of the OATH Toolkit makes the same passwords.
func TestOathtool(t *testing.T) {
	rng := rand.New(rand.NewPCG(4226, 6238))
	for range 30 {
		k := oath.Key{Hash: []string{oath.SHA1, oath.SHA256, oath.SHA512}[rng.IntN(3)], Digits: 6 + 2*rng.IntN(2), Seed: make(secret.Bytes, 10+rng.IntN(60))}
		for i := range k.Seed {
			k.Seed[i] = byte(rng.Uint32())
		}
		at, period := rng.Int64N(4e9), 30+30*rng.IntN(2)
		args := []string{fmt.Sprint("--totp=", k.Hash), "--digits", fmt.Sprint(k.Digits), "--now", time.Unix(at, 0).UTC().Format("2006-01-02 15:04:05 UTC"),
			"--time-step-size", fmt.Sprint(period), hex.EncodeToString(k.Seed)}
		is(t, k, oath.Step(time.Unix(at, 0), period), oathtool(t, args...))
		k.Hash = oath.SHA1
		counter := rng.Uint64() >> 1
		is(t, k, counter, oathtool(t, "--hotp", "--digits", fmt.Sprint(k.Digits), "--counter", fmt.Sprint(counter), hex.EncodeToString(k.Seed)))
	}
}

func oathtool(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("oathtool", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("oathtool (install it with tools/sh/packages.sh test): %v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// Find and FindPair find what a loop over the passwords finds.
func TestFind(t *testing.T) {
	k := oath.Key{Seed: seed(20), Hash: oath.SHA1, Digits: 6}
	code := func(c uint64) secret.Bytes {
		v, err := k.Code(c)
		require.NoError(t, err)
		return v
	}
	for _, c := range []struct {
		at, first, last uint64
		found           bool
	}{
		{5, 0, 10, true}, {0, 0, 0, true}, {10, 0, 10, true}, {11, 0, 10, false}, {4, 5, 10, false}, {5, 6, 5, false},
		{math.MaxUint64 - 2, math.MaxUint64 - 10, math.MaxUint64, true}, {math.MaxUint64 - 1, math.MaxUint64 - 1, math.MaxUint64, true},
		{math.MaxUint64, math.MaxUint64, math.MaxUint64, false},
	} {
		at, found, err := k.Find(code(c.at), c.first, c.last)
		if err != nil || found != c.found || found && at != c.at {
			t.Errorf("%+v: %d, %v, %v", c, at, found, err)
		}
		pair := c.found && c.at != math.MaxUint64-1
		at, found, err = k.FindPair(code(c.at), code(c.at+1), c.first, c.last)
		if err != nil || found != pair || found && at != c.at {
			t.Errorf("pair %+v: %d, %v, %v", c, at, found, err)
		}
		if _, found, err = k.FindPair(code(c.at), code(c.at+2), c.first, c.last); found || err != nil {
			t.Errorf("%+v: two passwords that do not follow each other: %v, %v", c, found, err)
		}
	}
	for _, bad := range []string{"", "75522", "7552240", "75522x", "755225"} {
		if _, found, err := k.Find(secret.Bytes(bad), 0, 9); found || err != nil {
			t.Errorf("%q: %v, %v", bad, found, err)
		}
	}
	if at, found, err := k.FindPair(secret.Bytes("287082"), secret.Bytes("359152"), 0, 1); at != 1 || !found || err != nil {
		t.Error(at, found, err)
	}
}

func TestBadKeys(t *testing.T) {
	for _, k := range []oath.Key{{}, {Seed: seed(20), Hash: "MD5", Digits: 6}, {Seed: seed(20), Hash: oath.SHA1, Digits: 7}, {Hash: oath.SHA1, Digits: 6}} {
		_, err := k.Code(1)
		_, _, err2 := k.Find(secret.Bytes("123456"), 0, 1)
		_, err3 := oath.Enrolment{Key: k, Account: "a"}.URI()
		if err == nil || err2 == nil || err3 == nil {
			t.Errorf("%s %d: %v, %v, %v", k.Hash, k.Digits, err, err2, err3)
		}
	}
}
