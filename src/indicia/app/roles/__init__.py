"""The roles of a process, each put together from what it needs."""
