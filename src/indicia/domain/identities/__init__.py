"""The rules of identities: what people set on a name."""
