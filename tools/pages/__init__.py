"""What is generated in `docs/`, one module a page or a group of pages.

Each module has `blocks()`: for each page, what belongs between the markers of each name. The pages themselves
are written by hand; what is said about the code is read from the code, here.
"""
