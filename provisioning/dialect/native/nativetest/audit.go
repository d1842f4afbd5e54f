package nativetest

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"vtoken/provisioning/api"
)

// AuditLog is an audit log of three sound lines.
type AuditLog struct{}

// Newest is 3.
func (AuditLog) Newest() uint64 { return 3 }

// Lines are some of the three.
func (AuditLog) Lines(
	_ context.Context, after uint64, limit int, _ time.Duration,
) (list []json.RawMessage, last uint64, err error) {
	for last = after; last < 3 && len(list) < limit; last++ {
		list = append(list, json.RawMessage(fmt.Sprintf(
			`{"seq":%d,"time":"2026-11-22T10:00:00Z","event":"login","result":"CKR_PIN_INCORRECT","process":{"uid":1000,"pid":42,"exe":"/usr/bin/ssh"},"label":"Card","role":"user","locked":true}`, last+1)))
	}
	return list, last, nil
}

// Verify finds nothing wrong.
func (AuditLog) Verify(context.Context) (api.AuditReport, error) {
	return api.AuditReport{Files: 1, Lines: 3, First: 1, Last: 3, Problems: []string{}, Notes: []string{}}, nil
}

// Archive takes any number.
func (AuditLog) Archive(through uint64, _ string) (uint64, error) { return through, nil }
