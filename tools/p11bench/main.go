package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"strings"
	"time"

	"vtoken/vtoken/version"
)

func main() {
	err := run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "p11bench:", err)
		os.Exit(1)
	}
}

func run(args []string, in io.Reader, out, progress io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case "client":
			return client(in, out)
		case "table":
			return table(args[1:], out)
		}
	}
	o, err := parse(args, progress)
	if errors.Is(err, errVersion) {
		_, err := fmt.Fprintln(out, version.Line("p11bench"))
		return err
	}
	if err != nil {
		return err
	}
	return o.measure(out, progress)
}

// errVersion is what parse returns for --version.
var errVersion = errors.New("the version is asked for")

// options are the command line's.
type options struct {
	target
	label string
	only  *regexp.Regexp
	time  time.Duration
	find  []int
}

func parse(args []string, usage io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("p11bench", flag.ContinueOnError)
	flags.SetOutput(usage)
	flags.StringVar(&o.path, "module", "", "the PKCS#11 module, a shared `file`")
	flags.StringVar(&o.target.label, "token", "", "the `label` of the token (the first initialized one)")
	flags.StringVar(&o.pin, "pin", "", "the user `PIN`; for tokens made to be thrown away, since others can read arguments")
	pinFile := flags.String("pin-file", "", "the `file` that holds the user PIN")
	flags.StringVar(&o.label, "label", "", "a `name` for the line \"module:\" of the output (the file's name)")
	only := flags.String("run", "", "measure only the rows that match this `expression`")
	flags.DurationVar(&o.time, "time", 2*time.Second, "how `long` each row runs")
	large := flags.Bool("large", false, "find among 100,000 objects, too; filling the token can take long")
	showVersion := flags.Bool("version", false, "print the version")
	flags.Usage = func() {
		fmt.Fprint(usage, "usage: p11bench --module FILE [flags]\n       p11bench table FILE FILE...\n\n")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if *showVersion {
		return o, errVersion
	}
	if o.path == "" {
		return o, fmt.Errorf("which module? name it with --module")
	}
	if *pinFile != "" {
		b, err := os.ReadFile(*pinFile)
		if err != nil {
			return o, fmt.Errorf("reading the PIN: %w", err)
		}
		o.pin = strings.TrimSuffix(string(b), "\n")
	}
	o.find = []int{1000}
	if *large {
		o.find = append(o.find, 100_000)
	}
	o.only, err = regexp.Compile(*only)
	return o, err
}

func (o options) measure(out, progress io.Writer) error {
	tok, err := o.open()
	if err != nil {
		return err
	}
	label := o.label
	if label == "" {
		label = o.path[strings.LastIndexByte(o.path, '/')+1:]
	}
	fmt.Fprintf(out, "goos: %s\ngoarch: %s\nmodule: %s\n", runtime.GOOS, runtime.GOARCH, label)
	b := &bench{o.target, tok, o.time}
	for _, r := range rows(o.find) {
		if !o.only.MatchString(r.name) {
			continue
		}
		fmt.Fprintf(progress, "%s: %s\n", label, r.name)
		f, err := r.run(b)
		if err != nil {
			return fmt.Errorf("measuring %s: %w", r.name, err)
		}
		f.print(out, r.name)
	}
	return tok.finalize()
}
