"""What every process runs on: its clock, logs, metrics, health, and the loops of its background work."""
