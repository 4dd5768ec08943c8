"""Queries of the installation itself: its processes, its own records, its soundness."""
