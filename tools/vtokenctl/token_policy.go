package main

import (
	"github.com/spf13/cobra"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
)

func tokenPolicyCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "policy ID POLICY",
		Short: "Say which algorithms a token offers",
		Long: `Say which algorithms a token offers: "modern" (the default; SHA-1 signatures are
verified and no longer made; no MD5, DES and 3DES), "legacy" (everything, for
software that cannot be changed yet), or PKCS#11 mechanisms by name with commas
between them. An empty POLICY is the tenant's. It holds at once, for complete
tokens too.`,
		Example: `  vtoken token policy 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10 legacy
  vtoken token policy 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10 CKM_ECDSA,CKM_ECDSA_SHA256`,
		Args: arguments("ID", "POLICY"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			_, err := c.ChangeToken(cmd.Context(), args[0], api.TokenChange{Policy: &args[1]})
			return err
		}),
	}
}
