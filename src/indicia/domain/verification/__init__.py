"""The rules of verification: looks at the DNS, and what they say."""
