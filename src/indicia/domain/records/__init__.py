"""The rules of records: which are expected in the DNS, how they are written, what an answer holds."""
