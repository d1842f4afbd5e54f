package p11rpc

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

// softHSM is where Debian's libsofthsm2 puts its module.
const softHSM = "/usr/lib/softhsm/libsofthsm2.so"

// The client half of the codec talks to the distribution's server. It needs the
// Debian packages p11-kit and libsofthsm2, which "make test" installs.
func TestStockServer(t *testing.T) {
	nc := dialStockServer(t)
	version, err := Offer(nc, MaxVersion)
	require.NoError(t, err)
	require.LessOrEqual(t, version, byte(MaxVersion))
	c := &stockCaller{t: t, sock: nc, in: NewReader(nc), e: Encoder{Version: version}, d: Decoder{Version: version}}
	c.call(CallInitialize, func(e *Encoder) { e.Data([]byte(Magic)); e.Byte(0); e.Data([]byte{0}) }, nil)

	c.call(CallGetInfo, nil, func(d *Decoder) {
		if info := d.Info(); info.CryptokiVersion.Major != 2 && info.CryptokiVersion.Major != 3 {
			t.Errorf("C_GetInfo: %+v", info)
		}
	})
	var slots []ck.SlotID
	c.call(CallGetSlotList, func(e *Encoder) { e.Byte(0); e.UlongBuffer(10) }, func(d *Decoder) { slots, _ = UlongList[ck.SlotID](d) })
	require.NotEmpty(t, slots, "no slots")
	slot := uint64(slots[0])
	c.call(CallInitToken, func(e *Encoder) { e.Ulong(slot); e.Data([]byte("12345678")); e.ZeroString("ours") }, nil)
	c.call(CallGetTokenInfo, func(e *Encoder) { e.Ulong(slot) }, func(d *Decoder) {
		require.Equal(t, "ours", d.TokenInfo().Label)
	})
	c.digest(slot)
	require.Equal(t, ck.CKR_SESSION_HANDLE_INVALID, c.try(CallCloseSession, func(e *Encoder) { e.Ulong(12345) }, nil))
	c.call(CallFinalize, nil, nil)
}

// digest makes a digest in two calls, with a mechanism and a size query.
func (c *stockCaller) digest(slot uint64) {
	var session uint64
	c.call(CallOpenSession, func(e *Encoder) { e.Ulong(slot); e.Ulong(uint64(ck.CKF_SERIAL_SESSION)) }, func(d *Decoder) { session = d.Ulong() })
	c.call(CallDigestInit, func(e *Encoder) { e.Ulong(session); e.Mechanism(&ck.Mechanism{Type: ck.CKM_SHA256}) }, nil)
	for _, buf := range []ck.Buffer{{Null: true}, {Len: 31}, {Len: 32}} {
		c.call(CallDigest, func(e *Encoder) { e.Ulong(session); e.Data([]byte("abc")); e.Buffer(buf) }, func(d *Decoder) {
			out, err := d.Output(buf)
			if out.Len != 32 || (err == nil) != (buf.Len != 31) || buf.Len == 32 && out.Data[0] != 0xba {
				c.t.Errorf("C_Digest into %+v: %+v, %v", buf, out, err)
			}
		})
	}
}

type stockCaller struct {
	t    *testing.T
	sock net.Conn
	in   *Reader
	e    Encoder
	d    Decoder
	code uint32
}

func (c *stockCaller) try(call CallID, write func(*Encoder), read func(*Decoder)) error {
	c.t.Helper()
	c.code++
	c.e.BeginRequest(c.code, call)
	if write != nil {
		write(&c.e)
	}
	require.NoError(c.t, c.e.End())
	_, err := c.sock.Write(c.e.Bytes())
	require.NoError(c.t, err)
	c.e.Reset()
	f, err := c.in.Next()
	require.NoError(c.t, err, "%v", call)
	require.Equal(c.t, c.code, f.Code, "%v", call)
	if err := c.d.Response(f.Body, call); err != nil {
		return err
	}
	if read != nil {
		read(&c.d)
	}
	return c.d.Done()
}

func (c *stockCaller) call(call CallID, write func(*Encoder), read func(*Decoder)) {
	c.t.Helper()
	if err := c.try(call, write, read); err != nil {
		c.t.Fatalf("%v: %v", call, err)
	}
}

// dialStockServer starts "p11-kit server" with an empty SoftHSM behind it.
func dialStockServer(t *testing.T) net.Conn {
	t.Helper()
	dir := t.TempDir()
	conf, sock := filepath.Join(dir, "softhsm2.conf"), filepath.Join(dir, "p11")
	tokens := filepath.Join(dir, "tokens")
	require.NoError(t, os.Mkdir(tokens, 0o700))
	require.NoError(t, os.WriteFile(conf, []byte("directories.tokendir = "+tokens+"\n"), 0o600))
	cmd := exec.Command("p11-kit", "server", "--foreground", "--name", sock, "--provider", softHSM, "pkcs11:")
	cmd.Env = append(os.Environ(), "SOFTHSM2_CONF="+conf, "XDG_RUNTIME_DIR="+dir)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for lines := bufio.NewScanner(out); lines.Scan(); { // it prints its address when it listens
		if strings.Contains(lines.Text(), "P11_KIT_SERVER_ADDRESS") {
			break
		}
	}
	nc, err := net.Dial("unix", sock)
	require.NoError(t, err)
	t.Cleanup(func() { nc.Close() })
	return nc
}
