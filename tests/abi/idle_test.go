package abi

import (
	"bufio"
	"bytes"
	"os/exec"
	"testing"
)

// TestIdleWait is the processor's half of C56.
func TestIdleWait(t *testing.T) {
	p := startPeer(t)
	c := exec.Command(host(t, "idle"), module(t))
	c.Env = p.environment()
	var errs bytes.Buffer
	c.Stderr = &errs
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err == nil && line == "ready\n" {
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
		if _, err := in.Write([]byte("\n")); err != nil {
			t.Error(err)
		}
	}
	in.Close()
	if err := c.Wait(); err != nil || errs.Len() > 0 {
		t.Errorf("%v: %s", err, errs.String())
	}
}
