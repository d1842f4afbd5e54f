package metrics

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Results of a start, as the file of [WriteStart] tells them.
const (
	StartOK       = "ok"
	StartFailed   = "failed"
	StartNoKEK    = "no-kek"   // no key-encryption key opens the store
	StartRollback = "rollback" // the data folder is an older copy, or may be one
)

// WriteStart writes what a start of the daemon came to, for the textfile collector
// of Prometheus' node exporter. The file replaces the one of the start before as a
// whole; everybody may read it.
func WriteStart(path, result string, at time.Time) (err error) {
	r := prometheus.NewRegistry()
	results := newGauge(r, "vtoken_start_result", "1 for what the last start of vtokend came to.", "result")
	for _, each := range []string{StartOK, StartFailed, StartNoKEK, StartRollback} {
		results.WithLabelValues(each).Set(number(each == result))
	}
	newGauge(r, "vtoken_rollback_detected", "1 if the last start was refused because the data folder may be an older copy.").
		WithLabelValues().Set(number(result == StartRollback))
	newGauge(r, "vtoken_start_timestamp_seconds", "Unix time of the last start.").WithLabelValues().Set(seconds(at))
	var text bytes.Buffer
	if err := write(r, &text); err != nil {
		return err
	}
	if err := replace(path, text.Bytes()); err != nil {
		return fmt.Errorf("write the metrics of the start: %w", err)
	}
	return nil
}

// replace makes a file of that content under another name and renames it.
func replace(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".vtokend-*") // no .prom: it is not read half written
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
