"""Mails that the service itself sends: what they say, and how they leave.

A mail is put into the outbox in the transaction that causes it, and handed to the relay by the delivery loop
afterwards: at least once, whatever stops in between. It is written before that transaction, or in the loop.
"""
