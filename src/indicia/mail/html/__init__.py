"""HTML of strangers, made harmless in a process that may die of it."""
