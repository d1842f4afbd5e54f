package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"

	"vtoken/provisioning/api"
)

// VerifyOTP verifies a one-time password of a token, which is accepted once. A wrong one
// is an error of kind wrong-code.
func (c *Client) VerifyOTP(ctx context.Context, id string, code api.Code) (*api.Token, error) {
	return send[api.Token](ctx, c, "verify a one-time password of the token "+id, http.MethodPost, path("tokens", id, "otp", "verify"), code)
}

// SyncOTP synchronises a token by two consecutive one-time passwords.
func (c *Client) SyncOTP(ctx context.Context, id string, codes api.Codes) (*api.Token, error) {
	return send[api.Token](ctx, c, "synchronise the token "+id, http.MethodPost, path("tokens", id, "otp", "sync"), codes)
}

// ResetOTP unlocks the one-time passwords of a token, and sets its counter where
// counter is not nil.
func (c *Client) ResetOTP(ctx context.Context, id string, counter *uint64) (*api.Token, error) {
	return send[api.Token](ctx, c, "reset the counter of the token "+id, http.MethodPost, path("tokens", id, "otp", "reset"), api.ResetCounter{Counter: counter})
}

// EnrolOTP reads what sets up an authenticator app, once. The caller wipes the URI.
func (c *Client) EnrolOTP(ctx context.Context, id string, e api.NewEnrolment) (*api.Enrolment, error) {
	return send[api.Enrolment](ctx, c, "hand out the seed of the token "+id, http.MethodPost, path("tokens", id, "otp", "enrol"), e)
}

// importForm is a file to import.
type importForm api.Import

// encode makes the form.
func (f importForm) encode() (body, error) {
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	err := form.WriteField("format", f.Format)
	for name, on := range map[string]bool{"dryRun": f.DryRun, "createUsers": f.CreateUsers, "inactive": f.Inactive, "share": f.Share} {
		if on {
			err = errors.Join(err, form.WriteField(name, "true"))
		}
	}
	for name, value := range map[string]string{
		"charset": f.Charset, "password": string(f.Password), "keyHex": hex.EncodeToString(f.Key), "privateKey": string(f.PrivateKey),
	} {
		if value != "" {
			err = errors.Join(err, form.WriteField(name, value))
		}
	}
	file, partErr := form.CreateFormFile("file", "file")
	if err = errors.Join(err, partErr); err != nil {
		return body{}, err
	}
	if _, err := file.Write(f.File); err != nil {
		return body{}, err
	}
	if err := form.Close(); err != nil {
		return body{}, err
	}
	return body{form.FormDataContentType(), b.Bytes()}, nil
}

// Import imports a file of seeds or assignments, all rows or none: if the report has
// refused rows, nothing was changed. Its time is not bounded; progress, unless it is nil,
// is called with the number of rows done and of all rows. The caller keeps the secrets
// and wipes them.
func (c *Client) Import(
	ctx context.Context, tenant string, in api.Import, progress func(done, total int),
) (*api.ImportReport, error) {
	const doing = "import"
	c = c.patient()
	req, err := c.request(ctx, http.MethodPost, within(tenant, path("import")), importForm(in))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	req.Header.Set("Accept", api.EventsType+", application/problem+json")
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, c.notSent(err))
	}
	defer resp.Body.Close()
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if resp.StatusCode != http.StatusOK || kind != api.EventsType {
		answer, err := readAnswer(resp)
		if err != nil {
			return nil, fmt.Errorf("%s: read the answer of %s: %w", doing, c.where, err)
		}
		return nil, refusal(doing, resp, answer)
	}
	report, err := readEvents(resp, progress)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return report, nil
}

// readEvents reads lines until the report or a problem.
func readEvents(resp *http.Response, progress func(done, total int)) (*api.ImportReport, error) {
	lines := json.NewDecoder(bufio.NewReader(io.LimitReader(resp.Body, MaxAnswer)))
	for {
		var e api.ImportEvent
		err := lines.Decode(&e)
		switch {
		case err != nil:
			return nil, fmt.Errorf("the answer broke off (%w); see with a dry run whether the rows are there", err)
		case e.Problem != nil:
			return nil, errors.New(e.Problem.Detail)
		case e.Report != nil:
			return e.Report, nil
		case progress != nil:
			progress(e.Done, e.Total)
		}
	}
}
