"""The rules of proofs: the facets of an identity, the moves of their states, and what they let it do."""
