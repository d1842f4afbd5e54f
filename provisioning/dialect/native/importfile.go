package native

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"sync"
	"time"

	"vtoken/provisioning"
	"vtoken/provisioning/api"
	"vtoken/provisioning/seedfile"
	"vtoken/vtoken/record"
)

// maxImportBody is the maximal size of a file in its form.
const maxImportBody = api.MaxImport + 64<<10

func (h *Handler) importFile(r *request) (any, error) {
	in, err := readImport(r)
	wipe := func() {
		in.Password.Wipe()
		in.Key.Wipe()
		in.PrivateKey.Wipe()
		clear(in.File)
	}
	var tenant record.TenantID
	if err == nil {
		tenant, err = h.tenant(r)
	}
	if err != nil {
		wipe()
		return nil, err
	}
	run := func(progress func(done, total int)) (api.ImportReport, error) {
		defer wipe()
		report, err := h.runImport(r, tenant, in, progress)
		if len(report.Refused) > 0 && provisioning.KindOf(err) == provisioning.BadInput {
			err = nil // the report is the answer
		}
		return reportJSON(in, report), err
	}
	if !strings.Contains(r.http.Header.Get("Accept"), api.EventsType) {
		r.slow()
		return run(nil)
	}
	return stream{api.EventsType, func(w io.Writer) error { return tellEvents(w, run) }}, nil
}

// runImport reads the file and imports it.
func (h *Handler) runImport(
	r *request, tenant record.TenantID, in api.Import, progress func(done, total int),
) (provisioning.BatchReport, error) {
	o := provisioning.BatchOptions{DryRun: in.DryRun, CreateUsers: in.CreateUsers, Share: in.Share, Progress: progress}
	if !in.Inactive {
		o.Activation = record.Activated
	}
	f, err := seedfile.Read(r.ctx, seedfile.Format(in.Format), in.File, seedfile.Options{
		Password: in.Password.Bytes(), Key: in.Key.Bytes(), PrivateKey: in.PrivateKey.Bytes(), Charset: in.Charset,
	})
	if err != nil {
		return provisioning.BatchReport{}, provisioning.Errorf(provisioning.BadInput, "%v", err)
	}
	defer f.Wipe()
	o.Refused = f.Problems
	if seedfile.Format(in.Format) == seedfile.Batch {
		rows, refused := provisioning.AssignRows(f)
		o.Refused = append(o.Refused, refused...)
		return h.core.AssignTokens(r.ctx, r.caller, tenant, rows, o)
	}
	return h.core.ImportTokens(r.ctx, r.caller, tenant, provisioning.ImportRows(f), o)
}

func reportJSON(in api.Import, b provisioning.BatchReport) api.ImportReport {
	return api.ImportReport{
		DryRun: in.DryRun,
		Done: convert(b.Done, func(t provisioning.BatchToken) api.ImportedToken {
			return api.ImportedToken{Line: t.Line, ID: string(t.ID), Serial: t.Serial}
		}),
		Refused: convert(b.Refused, func(p seedfile.Problem) api.Refusal { return api.Refusal(p) }),
	}
}

// tellEvents writes the progress of an import line by line, and then its report or
// problem.
func tellEvents(w io.Writer, run func(progress func(done, total int)) (api.ImportReport, error)) error {
	var mu sync.Mutex
	last, told := time.Now(), false
	lines := json.NewEncoder(w)
	report, err := run(func(done, total int) {
		mu.Lock()
		defer mu.Unlock()
		if time.Since(last) < api.EventInterval {
			return
		}
		last, told = time.Now(), true
		_ = lines.Encode(api.ImportEvent{Done: done, Total: total}) // a client that has left misses nothing
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
	})
	if err != nil && !told {
		return err
	}
	if err != nil {
		e := provisioning.AsError(err)
		status := statuses[e.Kind]
		return lines.Encode(api.ImportEvent{Problem: &api.Problem{Title: http.StatusText(status), Status: status, Detail: e.Detail}})
	}
	return lines.Encode(api.ImportEvent{Report: &report})
}

// readImport reads the form of an import. The caller wipes its secrets.
func readImport(r *request) (in api.Import, err error) {
	mediaType, params, err := mime.ParseMediaType(r.http.Header.Get("Content-Type"))
	if err != nil || mediaType != "multipart/form-data" || params["boundary"] == "" {
		return in, provisioning.Errorf(provisioning.BadInput,
			"the body is a form (multipart/form-data) with the fields format and file")
	}
	form := multipart.NewReader(r.http.Body, params["boundary"])
	seen := map[string]bool{}
	for {
		part, err := form.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return in, brokenForm(err)
		}
		name := part.FormName()
		if seen[name] {
			return in, provisioning.Errorf(provisioning.BadInput, "the form has the field %.40q twice", name)
		}
		seen[name] = true
		if err := readImportPart(&in, name, part); err != nil {
			return in, err
		}
	}
	if len(in.File) == 0 || in.Format == "" {
		return in, provisioning.Errorf(provisioning.BadInput,
			"the form needs a file in its field file, and its format in the field format")
	}
	return in, nil
}

// maxPrivateKey is the maximal size in bytes of a private key in PEM.
const maxPrivateKey = 16 << 10

// readImportPart reads one field of the form.
func readImportPart(in *api.Import, name string, part *multipart.Part) (err error) {
	flags := map[string]*bool{"dryRun": &in.DryRun, "createUsers": &in.CreateUsers, "inactive": &in.Inactive, "share": &in.Share}
	if name == "file" {
		in.File, err = readPart(part, api.MaxImport)
		return err
	}
	if name == "privateKey" {
		in.PrivateKey, err = readPart(part, maxPrivateKey)
		return err
	}
	value, err := readPart(part, maxPassword)
	if err != nil {
		return err
	}
	switch {
	case name == "format":
		in.Format = string(value)
	case name == "charset":
		in.Charset = string(value)
	case name == "password":
		in.Password = value
	case name == "keyHex":
		defer clear(value)
		in.Key = make(api.Secret, hex.DecodedLen(len(value)))
		if _, err := hex.Decode(in.Key, value); err != nil {
			return provisioning.Errorf(provisioning.BadInput, "the key is not an even number of hexadecimal digits")
		}
	case flags[name] != nil && (string(value) == "true" || string(value) == "false"):
		*flags[name] = string(value) == "true"
	case flags[name] != nil:
		return provisioning.Errorf(provisioning.BadInput, "the field %s is true or false", name)
	default:
		return provisioning.Errorf(provisioning.BadInput, "there is no field %.40q in this form; leave it out", name)
	}
	return nil
}
