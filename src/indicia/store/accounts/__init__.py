"""Queries of accounts, their access keys and their standing."""
