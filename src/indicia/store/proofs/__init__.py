"""Queries of proofs: the facets of an identity, what is carried, and the state that lists show."""
