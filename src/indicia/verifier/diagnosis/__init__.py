"""Looks that move no state: what is wrong and why, what would be met, what is to be improved."""
