"""Queries of verification: when each identity is looked at, and what was found."""
