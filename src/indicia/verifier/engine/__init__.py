"""The engine: what is due is claimed, looked at, judged and committed."""
