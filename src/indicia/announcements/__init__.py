"""Telling what changed: events in the store, mails to the account's contact, deliveries to webhooks."""
