"""The operations of events: what is told when something changed, and the webhooks that hear of it."""
