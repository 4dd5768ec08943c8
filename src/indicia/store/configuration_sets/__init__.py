"""Queries of configuration sets, as far as identities need them."""
