"""The operations of diagnosis: what is wrong, in words, and what to do about it."""
