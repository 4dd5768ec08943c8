"""How the store is opened, written and read: two databases, one set of statements."""
