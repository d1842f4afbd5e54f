package main

import (
	"github.com/spf13/cobra"
)

func completionCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Write the completions for a shell",
		Long: `Write what lets a shell complete the commands and flags of vtoken: for bash, zsh
or fish. Packages put it where the shell looks. To do so by hand, write it to
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
