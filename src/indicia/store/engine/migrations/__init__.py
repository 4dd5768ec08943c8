"""How the schema came to be, a step a module in `versions`. Imported by alembic, and only to migrate."""
