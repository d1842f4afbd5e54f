package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"vtoken/vtoken/version"
)

// newRoot returns the whole command line. The commands are listed here and in the groups
// (tenant.go, user.go, apikey.go, token.go, kek.go).
func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "vtoken",
		Short: "Administer virtual smart cards",
		Long: `vtoken administers the virtual smart cards (tokens) of a vtokend: it creates
tokens for users, imports keys and certificates from PFX files, sets labels and
PINs, and shows what to paste into the applications that use a token.

It talks to the daemon of this machine over its admin socket, or with --api to
a daemon anywhere over HTTPS.`,
		Example: `  vtoken status
  vtoken user create alice
  vtoken token create --user alice --label "Alice's card" --user-pin-file alice.pin
  vtoken token list --user alice`,
		Args:              cobra.NoArgs,
		Version:           version.String(),
		SilenceErrors:     true,
		SilenceUsage:      true,
		DisableAutoGenTag: true,
	}
	a.conn.addFlags(root.PersistentFlags())
	root.AddCommand(
		statusCommand(a),
		restartCommand(a),
		tenantCommand(a),
		userCommand(a),
		groupCommand(a),
		apikeyCommand(a),
		tokenCommand(a),
		sessionCommand(a),
		otpCommand(a),
		importCommand(a),
		kekCommand(a),
		checkCommand(a),
		backupCommand(a),
		restoreCommand(a),
		auditCommand(a),
		completionCommand(a),
		manCommand(a),
	)
	root.Flags().Bool("version", false, "print the version")
	root.SetVersionTemplate(version.Line("{{.Name}}") + "\n")
	root.SetHelpCommand(helpCommand(root))
	root.CompletionOptions.DisableDefaultCmd = true
	finish(root)
	return root
}

// helpCommand is "vtoken help COMMAND".
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:    "help [COMMAND]",
		Short:  "Show the help of a command",
		Hidden: true,
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return usagef(root, "there is no command %q", args)
			}
			return cmd.Help()
		},
	}
}

// group returns a command that only has subcommands.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{Use: use, Short: short}
	g.AddCommand(commands...)
	return g
}

// finish makes every command below cmd behave alike: mistakes in the command line are
// usage errors, and a group without a subcommand lists its subcommands.
func finish(cmd *cobra.Command) {
	cmd.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return usagef(c, "%v", err) })
	cmd.Flags().SortFlags = false
	cmd.SuggestionsMinimumDistance = 2
	if check := cmd.Args; check != nil && cmd.HasParent() {
		cmd.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return usagef(c, "%v", err)
			}
			return nil
		}
	}
	if cmd.HasSubCommands() && cmd.RunE == nil && cmd.Run == nil {
		cmd.Args = cobra.ArbitraryArgs
		cmd.RunE = runGroup
	}
	for _, sub := range cmd.Commands() {
		finish(sub)
	}
}

func runGroup(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		cmd.SetOut(cmd.ErrOrStderr())
		if err := cmd.Help(); err != nil {
			return err
		}
		return usagef(cmd, "say which command")
	}
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return usagef(cmd, "there is no command %q; did you mean %q?", args[0], near[0])
	}
	return usagef(cmd, "there is no command %q", args[0])
}

// arguments returns the check of the positional arguments, which have these names in the
// help.
func arguments(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return fmt.Errorf("%s is missing", names[len(args)])
		case len(args) > len(names):
			return fmt.Errorf("%q is one argument too many", args[len(names)])
		}
		return nil
	}
}

func completionCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Write the completions for a shell",
		Long: `Write the script with which bash, zsh or fish completes the commands and flags of
vtoken. Packages install it. To install it by hand, write it to
~/.local/share/bash-completion/completions/vtoken for bash, to _vtoken in a
folder of $fpath for zsh, to ~/.config/fish/completions/vtoken.fish for fish.`,
		Example: `  vtoken completion bash > vtoken.bash
  vtoken completion zsh > _vtoken
  vtoken completion fish > vtoken.fish`,
		Args:      arguments("SHELL"),
		ValidArgs: []string{"bash", "zsh", "fish"},
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(a.out, true)
			case "zsh":
				return root.GenZshCompletion(a.out)
			case "fish":
				return root.GenFishCompletion(a.out, true)
			}
			return usagef(cmd, "there are completions for bash, zsh and fish, not for %q", args[0])
		},
	}
}
