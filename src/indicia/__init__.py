"""Indicia proves who may send mail as whom, keeps the DKIM keys, and signs."""

__version__ = "0.1.0"
