"""Requests of ours to places that tenants named: resolved once, checked, and connected to as resolved."""
