"""The HTTP server: connections, framing, bodies, and what is refused before an application hears of it."""
