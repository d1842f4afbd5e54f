package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// manCommand writes the manual page, for those who build packages.
func manCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:    "man",
		Short:  "Write the manual page vtoken(1)",
		Hidden: true,
		Args:   arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := io.WriteString(a.out, manPage(cmd.Root()))
			return err
		},
	}
}

// manTail are the sections that no command tells.
const manTail = `.SH ENVIRONMENT
.TP
.B VTOKEN_ADMIN_SOCKET
The admin socket of the daemon, where \fB\-\-admin\-socket\fR does not name one.
.TP
.B XDG_RUNTIME_DIR
Below it is \fIvtoken/admin.sock\fR, the socket of a daemon that runs as a user.
.SH FILES
.TP
.I /run/vtoken/admin.sock
The admin socket of a daemon that runs as root. It is open to root and to one group.
.SH EXIT STATUS
.TP
.B 0
Done.
.TP
.B 1
The daemon refused, or it failed.
.TP
.B 2
The command line is wrong.
.TP
.B 3
No daemon answers.
.TP
.B 4
Not allowed: the socket, the API key or its role.
.SH NOTES
Secrets are read from a file, from standard input (\fB\-\fR) or from a prompt, never from an argument.
One newline at the end of a file or of standard input does not count.
A file descriptor is named as \fI/dev/fd/3\fR.
.SH SEE ALSO
.BR pkcs11\-tool (1),
.BR p11\-kit (8),
.BR openssl (1),
.BR ssh\-keygen (1)
`

// manPage is the manual page of the whole command line, in man(7) form.
func manPage(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString(".\\\" Written by \"vtoken man\". Change the commands, not this file.\n")
	b.WriteString(".TH VTOKEN 1 \"\" vtoken \"User Commands\"\n")
	fmt.Fprintf(&b, ".SH NAME\nvtoken \\- %s\n", roff(strings.ToLower(root.Short)))
	b.WriteString(".SH SYNOPSIS\n.B vtoken\n.I command\n.RI [ option ...]\n")
	b.WriteString(".SH DESCRIPTION\n")
	manText(&b, root.Long)
	b.WriteString(".SH OPTIONS OF ALL COMMANDS\n")
	manFlags(&b, root.PersistentFlags())
	b.WriteString(".SH COMMANDS\n")
	for _, c := range leaves(root) {
		manOne(&b, c)
	}
	b.WriteString(manTail)
	return b.String()
}

// leaves are the commands that do something, in the order of the help.
func leaves(cmd *cobra.Command) []*cobra.Command {
	if cmd.Hidden {
		return nil
	}
	if !cmd.HasSubCommands() {
		return []*cobra.Command{cmd}
	}
	var all []*cobra.Command
	for _, sub := range cmd.Commands() {
		all = append(all, leaves(sub)...)
	}
	return all
}

func manOne(b *strings.Builder, c *cobra.Command) {
	name, use, _ := strings.Cut(c.CommandPath(), " ")
	args := strings.TrimPrefix(c.Use, c.Name())
	fmt.Fprintf(b, ".SS %s %s%s\n", roff(name), roff(use), roff(args))
	text := c.Long
	if text == "" {
		text = c.Short + "."
	}
	manText(b, text)
	manFlags(b, c.LocalNonPersistentFlags())
	if c.Example != "" {
		b.WriteString(".PP\n.EX\n")
		for line := range strings.SplitSeq(c.Example, "\n") {
			b.WriteString(roff(strings.TrimPrefix(line, "  ")) + "\n")
		}
		b.WriteString(".EE\n")
	}
}

func manText(b *strings.Builder, text string) {
	for i, paragraph := range strings.Split(text, "\n\n") {
		if i > 0 {
			b.WriteString(".PP\n")
		}
		b.WriteString(roff(strings.TrimSpace(paragraph)) + "\n")
	}
}

func manFlags(b *strings.Builder, flags *pflag.FlagSet) {
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		b.WriteString(".TP\n")
		if f.Shorthand != "" {
			fmt.Fprintf(b, "\\fB\\-%s\\fR, ", f.Shorthand)
		}
		fmt.Fprintf(b, "\\fB\\-\\-%s\\fR", roff(f.Name))
		if f.Value.Type() != "bool" {
			fmt.Fprintf(b, " \\fI%s\\fR", roff(value))
		}
		b.WriteString("\n" + roff(upperFirst(usage)) + ".\n")
	})
}

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// roff escapes text for a manual page.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
