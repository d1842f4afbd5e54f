package oath

import (
	"bytes"
	"encoding/base32"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/url"
	"strconv"
	"strings"

	"github.com/boombuler/barcode/qr"

	"vtoken/vtoken/secret"
)

// Enrolment is what an authenticator app must know about a token.
type Enrolment struct {
	Key
	// Period is the time step of TOTP in seconds; 0 is HOTP.
	Period int
	// Counter is the first counter of HOTP.
	Counter uint64
	// Issuer is the organisation that issues the token; it may be empty. Account is the
	// holder. Neither has a colon, which separates them.
	Issuer, Account string
}

// MaxName is the maximal length of Issuer and Account in bytes, so that cameras can read
// the QR code.
const MaxName = 100

// URI returns the key as an otpauth:// URI, which contains the seed (Key Uri Format of
// Google Authenticator: the seed in base 32 without padding, blanks as %20).
func (e Enrolment) URI() (secret.Bytes, error) {
	if _, err := e.generator(); err != nil {
		return nil, err
	}
	for what, name := range map[string]string{"account": e.Account, "issuer": e.Issuer} {
		if strings.Contains(name, ":") || len(name) > MaxName || what == "account" && name == "" {
			return nil, fmt.Errorf("the %s has a colon in it, or %d bytes; it has 1 to %d", what, len(name), MaxName)
		}
	}
	kind, moving := "totp", "&period="+strconv.Itoa(e.Period)
	if e.Period == 0 {
		kind, moving = "hotp", "&counter="+strconv.FormatUint(e.Counter, 10)
	}
	label := url.PathEscape(e.Account)
	issuer := ""
	if e.Issuer != "" {
		label = url.PathEscape(e.Issuer) + ":" + label
		issuer = "&issuer=" + query(e.Issuer)
	}
	u := fmt.Appendf(nil, "otpauth://%s/%s?secret=", kind, label)
	u = base32.StdEncoding.WithPadding(base32.NoPadding).AppendEncode(u, e.Seed)
	return fmt.Appendf(u, "%s&algorithm=%s&digits=%d%s", issuer, e.Hash, e.Digits, moving), nil
}

// query escapes a value of a query, with blanks as %20: some apps display the "+" of
// forms.
func query(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// The form of a QR code: the edge of a module in pixels, and the white margin in
// modules that ISO/IEC 18004 wants.
const (
	modulePixels = 6
	quietModules = 4
)

// PNG returns the QR code of an otpauth:// URI as an image of about 300 to 500 pixels a
// side.
func PNG(uri secret.Bytes) ([]byte, error) {
	code, err := qr.Encode(string(uri), qr.M, qr.Auto)
	if err != nil {
		return nil, fmt.Errorf("making the QR code of a key of %d bytes: %w", len(uri), err)
	}
	side := code.Bounds().Dx()
	whole := (side + 2*quietModules) * modulePixels
	picture := image.NewPaletted(image.Rect(0, 0, whole, whole), color.Palette{color.White, color.Black})
	for y := range side * modulePixels {
		for x := range side * modulePixels {
			if r, _, _, _ := code.At(x/modulePixels, y/modulePixels).RGBA(); r == 0 {
				picture.SetColorIndex(x+quietModules*modulePixels, y+quietModules*modulePixels, 1)
			}
		}
	}
	var out bytes.Buffer
	if err := png.Encode(&out, picture); err != nil {
		return nil, fmt.Errorf("writing the QR code: %w", err)
	}
	return out.Bytes(), nil
}
