"""Messages as octets: their fields and parts."""
