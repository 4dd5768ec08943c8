"""Asking the DNS: questions, answers, resolvers, and the perspectives they are seen through."""
