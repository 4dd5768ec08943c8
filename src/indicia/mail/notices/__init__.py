"""Mails of the service itself, and of tenants in their own words."""
