"""The vault: the keyring that encrypts at rest, RSA keys, and the pool that has them ready."""
