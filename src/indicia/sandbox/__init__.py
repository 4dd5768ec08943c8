"""A DNS to play with, a clock that moves, and the calls that steer both.

Nothing here decides anything about an identity: the verifier of a sandbox asks this DNS over UDP like any
other, and what it sees is what counts.
"""
