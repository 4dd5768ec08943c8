"""Queries of identities: what people set on a name."""
