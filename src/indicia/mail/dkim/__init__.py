"""DKIM signatures on messages."""
