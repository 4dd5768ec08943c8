"""The operations of configuration sets, as far as identities need them."""
