"""Tables, queries and migrations. SQL is here only.

A `Database` runs units of work; each receives a `Session` and calls the functions of the query modules
(`identities`, `facets`, `checks`, `keys`, `access`, ...), which take the session first and return domain
values, never rows. The same queries run on SQLite and on PostgreSQL.
"""
