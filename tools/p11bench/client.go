package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"vtoken/vtoken/ck"
)

// order is what a client process is told on its standard input. The PIN goes
// this way because arguments are for everybody to read.
type order struct {
	Work, Module, Token, PIN, Label string
	Time                            time.Duration
}

// answer is what it says on its standard output when it is done.
type answer struct {
	Elapsed time.Duration
	Each    []time.Duration
}

// process is a client process that was started and got its order.
type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// start runs this program again as a client process.
func (b *bench) start(work, label string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.Command(self, "client")}
	p.cmd.Stderr = os.Stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	o := order{work, b.path, b.label, b.pin, label, b.time}
	return p, json.NewEncoder(p.in).Encode(o)
}

// ready waits until the client has loaded and logged in.
func (p *process) ready() error {
	_, err := p.out.ReadString('\n')
	return err
}

// finish reads the answer and waits for the end of the process.
func (p *process) finish() (figure, error) {
	var a answer
	err := json.NewDecoder(p.out).Decode(&a)
	if err = errors.Join(err, p.in.Close(), p.cmd.Wait()); err != nil {
		return figure{}, fmt.Errorf("running a client process: %w", err)
	}
	return figure{n: len(a.Each), elapsed: a.Elapsed, each: a.Each}, nil
}

// create measures writing objects from n processes at once.
func create(n int) func(*bench) (figure, error) {
	return func(b *bench) (f figure, err error) {
		const label = "p11bench created"
		defer func() { err = errors.Join(err, b.destroyLabelled(label)) }()
		clients := make([]*process, n)
		for i := range clients {
			if clients[i], err = b.start("create", label); err != nil {
				return f, err
			}
			if err := clients[i].ready(); err != nil {
				return f, fmt.Errorf("starting client %d of %d: %w", i+1, n, err)
			}
		}
		for _, c := range clients {
			if _, err := io.WriteString(c.in, "go\n"); err != nil {
				return f, err
			}
		}
		figures, errs := make([]figure, n), make([]error, n)
		longest := time.Duration(0)
		for i, c := range clients {
			figures[i], errs[i] = c.finish()
			longest = max(longest, figures[i].elapsed)
		}
		return sum(figures, errs, longest)
	}
}

func (b *bench) destroyLabelled(label string) error {
	for {
		found, err := b.module.find(b.main, labelled(ck.CKO_DATA, label), 1000)
		if err != nil || len(found) == 0 {
			return err
		}
		if err := b.destroyAll(found); err != nil {
			return err
		}
	}
}

// coldStart measures fresh processes, one after the other.
func (b *bench) coldStart() (all figure, err error) {
	const label = "p11bench cold"
	pair, err := b.generateP256(b.main, label)
	if err != nil {
		return all, err
	}
	defer func() { err = errors.Join(err, b.destroyPair(b.main, pair)) }()
	for end := time.Now().Add(b.time); all.n < 5 || time.Now().Before(end); {
		p, err := b.start("cold", label)
		if err != nil {
			return all, err
		}
		f, err := p.finish()
		if err != nil {
			return all, err
		}
		all.n++
		all.elapsed += f.elapsed
		all.each = append(all.each, f.each...)
	}
	return all, nil
}

// client is the work of a client process.
func client(in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	line, err := lines.ReadBytes('\n')
	if err != nil {
		return err
	}
	var o order
	if err := json.Unmarshal(line, &o); err != nil {
		return err
	}
	f, err := o.work(lines, out)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(answer{f.elapsed, f.each})
}

func (o order) work(in *bufio.Reader, out io.Writer) (figure, error) {
	t := target{o.Module, o.Token, o.PIN}
	if o.Work == "cold" {
		return cold(t, o.Label)
	}
	tok, err := t.open()
	if err != nil {
		return figure{}, err
	}
	fmt.Fprintln(out, "ready")
	if _, err := in.ReadString('\n'); err != nil {
		return figure{}, err
	}
	value := make([]byte, 512)
	f, err := repeat(o.Time, func() error {
		_, err := tok.createData(tok.main, o.Label, value)
		return err
	})
	return f, errors.Join(err, tok.finalize())
}

// cold does once all that a short-lived program does.
func cold(t target, label string) (figure, error) {
	start := time.Now()
	tok, err := t.open()
	if err != nil {
		return figure{}, err
	}
	key, err := tok.findOne(tok.main, ck.CKO_PRIVATE_KEY, label)
	if err != nil {
		return figure{}, err
	}
	if err := tok.sign(tok.main, ck.CKM_ECDSA, key, make([]byte, 32)); err != nil {
		return figure{}, err
	}
	if err := tok.finalize(); err != nil {
		return figure{}, err
	}
	d := time.Since(start)
	return figure{n: 1, elapsed: d, each: []time.Duration{d}}, nil
}
