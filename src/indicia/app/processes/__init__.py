"""The processes of an installation: what they start with, how they end, how they watch each other."""
