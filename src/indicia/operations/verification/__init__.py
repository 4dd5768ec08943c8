"""The operations of verification: looks at the DNS, what they say, and the statuses that follow."""
