"""Who may connect, and how many: one place for every listener of a process that takes TCP."""
