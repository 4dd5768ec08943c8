"""The rules of sending: what concerns a message."""
