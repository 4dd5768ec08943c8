"""The key zone: the authoritative DNS for the DKIM keys this service publishes."""
