"""How fast it is, beside what else there is: `make bench`, or `python -m bench --help`.

Everything is measured in one run on one machine, alternating, because nothing else can be compared. Nothing
is asserted: the aims stand beside what was found.
"""
