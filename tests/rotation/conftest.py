"""What stands on the store is tested on both databases."""

from databases import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]
