"""The API: one function an operation, v1 and v2 of a family side by side.

A handler receives the context, the call, the typed request and a session, and returns the typed answer or
raises a `Fault`. `table.TABLE` is the list of all of them; what is not in it is not built.
"""
