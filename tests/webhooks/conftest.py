"""What stands on the store is tested on both databases."""

from databases import database, postgres_server, postgres_url

__all__ = ["database", "postgres_server", "postgres_url"]
