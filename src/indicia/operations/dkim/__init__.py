"""The operations of DKIM: selectors, keys and their lives, and who signs with which."""
