"""The operations of accounts, their access keys and their standing."""
