"""The operations of identities: what people set on a name, and what to publish for it."""
