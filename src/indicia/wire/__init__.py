"""The AWS protocols: bytes to typed requests, typed results to bytes. No rule of the domain lives here."""
