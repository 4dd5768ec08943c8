"""Everything with an opinion, and nothing that touches the world.

Modules here import the standard library and each other. None of them reads a clock, the environment or the
network: time, randomness, DNS observations and stored values are arguments.
"""
